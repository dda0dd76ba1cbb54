//! How a path is printed: as it is, or within quotes with escapes as in C (`core.quotePath` in
//! `git-config(1)`).

/// How unusual paths are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PathStyle {
    /// Quoted when it holds control characters, quotes, backslashes or bytes above 0x7f:
    /// `core.quotePath=true`, the default.
    #[default]
    Quoted,
    /// As `Quoted`, but bytes above 0x7f are taken for ordinary: `core.quotePath=false`.
    QuotedKeepingHighBytes,
    /// As it is, ended by NUL instead of a line break: `-z`.
    NulTerminated,
}

impl PathStyle {
    /// What ends a field in front of a path.
    pub(crate) fn separator(self) -> u8 {
        if self == PathStyle::NulTerminated { 0 } else { b'\t' }
    }

    /// What ends a path.
    pub(crate) fn terminator(self) -> u8 {
        if self == PathStyle::NulTerminated { 0 } else { b'\n' }
    }

    fn must_escape(self, byte: u8) -> bool {
        match byte {
            0..0x20 | b'"' | b'\\' | 0x7f => true,
            0x80.. => self == PathStyle::Quoted,
            _ => false,
        }
    }
}

/// Appends the path, quoted where the style asks for it, and nothing behind it.
pub fn write_path(path: &[u8], style: PathStyle, out: &mut Vec<u8>) {
    write_prefixed(b"", path, style, out);
}

/// Appends prefix and path as one name: the quotes go round both.
pub(crate) fn write_prefixed(prefix: &[u8], path: &[u8], style: PathStyle, out: &mut Vec<u8>) {
    let bytes = || prefix.iter().chain(path).copied();
    if style == PathStyle::NulTerminated || !bytes().any(|byte| style.must_escape(byte)) {
        out.extend(bytes());
        return;
    }
    out.push(b'"');
    for byte in bytes() {
        if !style.must_escape(byte) {
            out.push(byte);
            continue;
        }
        out.push(b'\\');
        match byte {
            0x07 => out.push(b'a'),
            0x08 => out.push(b'b'),
            b'\t' => out.push(b't'),
            b'\n' => out.push(b'n'),
            0x0b => out.push(b'v'),
            0x0c => out.push(b'f'),
            b'\r' => out.push(b'r'),
            b'"' | b'\\' => out.push(byte),
            _ => out.extend([b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(path: &[u8], style: PathStyle) -> String {
        let mut out = Vec::new();
        write_path(path, style, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_only_where_needed() {
        assert_eq!(quoted(b"a b/c'd", PathStyle::Quoted), "a b/c'd");
        assert_eq!(quoted(b"\"\\\t\x01\x7f", PathStyle::Quoted), r#""\"\\\t\001\177""#);
        assert_eq!(quoted("é".as_bytes(), PathStyle::Quoted), r#""\303\251""#);
        assert_eq!(quoted("é".as_bytes(), PathStyle::QuotedKeepingHighBytes), "é");
        assert_eq!(quoted("é\n".as_bytes(), PathStyle::QuotedKeepingHighBytes), "\"é\\n\"");
        assert_eq!(quoted("é\n".as_bytes(), PathStyle::NulTerminated), "é\n");
    }
}
