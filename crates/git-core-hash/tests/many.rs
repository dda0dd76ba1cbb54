//! Many messages at once give what one at a time gives.

use git_core_hash::{Hasher, Message, ObjectFormat, hash_many};
use proptest::prelude::*;

fn one_at_a_time(format: ObjectFormat, message: &Message<'_>) -> String {
    let mut hasher = Hasher::new(format);
    hasher.update(message.head);
    hasher.update(message.body);
    format!("{:?}", hasher.finish())
}

proptest! {
    #[test]
    fn as_one_at_a_time(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40), cut in 0usize..80) {
        let messages: Vec<_> = bodies
            .iter()
            .map(|bytes| {
                let (head, body) = bytes.split_at(cut.min(bytes.len()));
                Message { head, body }
            })
            .collect();
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let mut seen = vec![None; messages.len()];
            hash_many(format, &messages, &mut |index, result| {
                assert!(seen[index].replace(format!("{result:?}")).is_none(), "message {index} given twice");
            });
            for (index, message) in messages.iter().enumerate() {
                prop_assert_eq!(seen[index].as_deref(), Some(&one_at_a_time(format, message)[..]));
            }
        }
    }
}
