//! The printable characters that GPT-2 writes bytes as.
//!
//! Printable Latin-1 bytes stand for themselves; the other 68 are, in order, U+0100 and up
//! (`bytes_to_unicode` in OpenAI's GPT-2 release).

const FIRST_SHIFTED: u32 = 0x100;

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

const SHIFTED: [u8; 68] = {
    let mut bytes = [0; 68];
    let (mut byte, mut n) = (0_usize, 0);
    while byte < 256 {
        if !is_printable(byte as u8) {
            bytes[n] = byte as u8;
            n += 1;
        }
        byte += 1;
    }
    bytes
};

/// The character that stands for a byte.
pub(super) fn char_of(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let rank = SHIFTED.partition_point(|&shifted| shifted < byte) as u32;
    char::from_u32(FIRST_SHIFTED + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a character stands for, if it stands for one.
pub(super) fn byte_of(c: char) -> Option<u8> {
    match u8::try_from(c) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => SHIFTED
            .get((c as usize).checked_sub(FIRST_SHIFTED as usize)?)
            .copied(),
    }
}

/// The bytes that a text stands for, or `None` if a character stands for none.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    text.chars().map(byte_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_character() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        // Known from any GPT-2 vocabulary: "Ġ" is a space, "Ċ" a newline, "Ń" the soft hyphen.
        assert_eq!(
            (char_of(b' '), char_of(b'\n'), char_of(0xAD)),
            ('Ġ', 'Ċ', 'Ń')
        );
        assert_eq!(byte_of(' '), None);
        assert_eq!(byte_of('ń'), None);
        assert_eq!(decode("a 語"), None);
    }
}
