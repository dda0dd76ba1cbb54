//! HMAC (RFC 2104): a digest that only who knows a key can make.

use crate::{Checksum, Digest, ObjectFormat};

/// The length in bytes of the blocks that both hash functions work on.
const BLOCK: usize = 64;

/// The HMAC of `message` under `key`, with the hash function of `format`.
pub fn hmac(format: ObjectFormat, key: &[u8], message: &[u8]) -> Digest {
    let mut block = [0; BLOCK];
    match key.len() > BLOCK {
        true => {
            let mut short = Checksum::new(format);
            short.update(key);
            block[..format.raw_len()].copy_from_slice(short.finish().as_bytes());
        }
        false => block[..key.len()].copy_from_slice(key),
    }
    let pass = |pad: u8, content: &[u8]| {
        let mut hash = Checksum::new(format);
        hash.update(&block.map(|byte| byte ^ pad));
        hash.update(content);
        hash.finish()
    };
    pass(0x5c, pass(0x36, message).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(format: ObjectFormat, key: &[u8], message: &[u8]) -> String {
        hmac(format, key, message).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_examples_of_rfc_2202_and_rfc_4231() {
        let (what, sha1, sha256) =
            (b"what do ya want for nothing?", ObjectFormat::Sha1, ObjectFormat::Sha256);
        assert_eq!(hex(sha1, b"Jefe", what), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(sha256, b"Jefe", what),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex(sha1, &[0xaa; 80], long), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        assert_eq!(
            hex(sha256, &[0xaa; 131], long),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
