//! Record ids: the first three characters identify the object; the last three of eighteen are a
//! checksum of the case of the fifteen before.

/// The org.
pub(super) const ORG_ID: &str = "00Dxx0000001gPLEAY";

/// The user that logs in.
pub(super) const USER_ID: &str = "005xx000001SwiUAAS";

/// The id of the user of this number, of which 0 is the one of the app.
pub(super) fn user_id(number: usize) -> String {
    match number {
        0 => USER_ID.to_owned(),
        number => record_id("005", number as u64),
    }
}

/// The `number`th id of the object with this prefix, in eighteen characters.
pub(super) fn record_id(prefix: &str, number: u64) -> String {
    let mut digits = [b'0'; 7];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = BASE_62[(rest % 62) as usize];
        rest /= 62;
    }
    let mut id = format!("{prefix}xx000");
    id.extend(digits.map(char::from));
    let suffix = checksum(&id);
    id.extend(suffix);
    id
}

/// Returns whether both are ids of the same record, each with or without its checksum.
pub(super) fn same_id(a: &str, b: &str) -> bool {
    let significant = |id: &str| id.get(..15).map(str::to_owned);
    a.len() >= 15 && significant(a) == significant(b)
}

fn checksum(id: &str) -> [char; 3] {
    let mut suffix = ['A'; 3];
    for (five, character) in id.as_bytes().chunks(5).zip(&mut suffix) {
        let bits = five
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .fold(0, |bits, (index, _)| bits | 1 << index);
        *character = char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]);
    }
    suffix
}

const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_salesforces() {
        for id in [ORG_ID, USER_ID] {
            assert_eq!(String::from_iter(checksum(&id[..15])), id[15..]);
        }
        assert_eq!(record_id("001", 1).len(), 18);
        assert!(same_id("001xx0000000001", &record_id("001", 1)));
    }
}
