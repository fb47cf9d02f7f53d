//! Every way in which a header can be wrong, and that right ones are read.

use super::super::test_writer::{Writer, array, string};
use super::super::{Array, GgmlType, Value, ValueType};
use super::*;

fn parse(writer: &Writer) -> Result<GgufHeader, GgufError> {
    GgufHeader::parse(&writer.finish())
}

fn refused(writer: &Writer) -> GgufError {
    parse(writer).expect_err("this file is wrong")
}

/// What is wrong with one metadata entry or tensor, without its name.
fn inner(error: GgufError) -> GgufError {
    match error {
        GgufError::Metadata { error, .. } | GgufError::Tensor { error, .. } => *error,
        error => error,
    }
}

#[test]
fn both_versions_are_read() {
    for version in [2, 3] {
        let mut writer = Writer::new()
            .str("general.name", "tiny")
            .tensor("a", GgmlType::F32, &[3])
            .tensor("b", GgmlType::Q8_0, &[64, 2]);
        writer.version = version;
        let bytes = writer.finish();
        let header = GgufHeader::parse(&bytes).unwrap();
        assert_eq!(header.version(), version);
        assert_eq!(header.alignment(), 32);
        assert_eq!(header.metadata().str("general.name"), Ok(Some("tiny")));
        assert_eq!(header.data_start() % 32, 0);
        let names: Vec<_> = header.tensors().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        let b = header.tensor("b").unwrap();
        assert_eq!(
            (b.dims(), b.dtype(), b.offset()),
            (&[64, 2][..], GgmlType::Q8_0, 32)
        );
        assert_eq!(b.range(), bytes.len() - 4 * 34..bytes.len());
    }
}

#[test]
fn other_files_and_versions_are_told_apart() {
    let not_gguf = |bytes: &[u8]| {
        let found = bytes[..bytes.len().min(4)].to_vec();
        assert_eq!(GgufHeader::parse(bytes), Err(GgufError::NotGguf { found }));
    };
    not_gguf(b"");
    not_gguf(b"GG");
    not_gguf(b"PK\x03\x04 and so on");
    assert_eq!(
        GgufHeader::parse(b"FUGG\0\0\0\x03"),
        Err(GgufError::BigEndian)
    );
    for version in [1u32, 2, 3] {
        let mut writer = Writer::new();
        writer.version = version.swap_bytes();
        assert_eq!(refused(&writer), GgufError::BigEndian);
    }
    for found in [0, 1, 4, u32::MAX] {
        let mut writer = Writer::new();
        writer.version = found;
        assert_eq!(refused(&writer), GgufError::Version { found });
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = Writer::new()
        .u32("a.number", 1)
        .strings("a.list", &["x", "yz"])
        .tensor("t", GgmlType::F32, &[4])
        .finish();
    assert!(GgufHeader::parse(&bytes).is_ok());
    for end in 0..bytes.len() {
        assert!(GgufHeader::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn absurd_counts_are_refused_before_anything_is_allocated() {
    for extra in [1, 1 << 20, u64::MAX / 2] {
        let mut writer = Writer::new().u32("a", 1);
        writer.extra_metadata = extra;
        let error = refused(&writer);
        assert!(
            matches!(error, GgufError::Count { .. } | GgufError::Truncated { .. }),
            "{error}"
        );
        let mut writer = Writer::new().tensor("a", GgmlType::F32, &[1000]);
        writer.extra_tensors = extra;
        parse(&writer).unwrap_err();
    }
    for (element_type, len) in [(4, u64::MAX), (8, 1 << 40), (9, 1 << 60), (0, 3)] {
        let error = inner(refused(&Writer::new().raw(
            b"a",
            9,
            &array(element_type, len, &[0; 2]),
        )));
        assert!(
            matches!(error, GgufError::Count { found, .. } if found == len),
            "{error}"
        );
    }
    let long = [u64::MAX.to_le_bytes().as_slice(), b"abc"].concat();
    let error = inner(refused(&Writer::new().raw(b"a", 8, &long)));
    assert!(
        matches!(
            error,
            GgufError::Truncated {
                needed: u64::MAX,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn every_value_type_is_read() {
    let writer = Writer::new()
        .raw(b"u8", 0, &[200])
        .raw(b"i8", 1, &[0xff])
        .raw(b"u16", 2, &60_000u16.to_le_bytes())
        .raw(b"i16", 3, &(-2i16).to_le_bytes())
        .u32("u32", u32::MAX)
        .raw(b"i32", 5, &i32::MIN.to_le_bytes())
        .f32("f32", 0.5)
        .bool("bool", true)
        .str("string", "\u{e9}")
        .raw(b"array", 9, &array(7, 2, &[0, 1]))
        .raw(b"u64", 10, &u64::MAX.to_le_bytes())
        .raw(b"i64", 11, &i64::MIN.to_le_bytes())
        .raw(b"f64", 12, &0.1f64.to_le_bytes());
    let header = parse(&writer).unwrap();
    let values: Vec<_> = header.metadata().iter().map(|(_, v)| v.clone()).collect();
    let wanted = [
        Value::U8(200),
        Value::I8(-1),
        Value::U16(60_000),
        Value::I16(-2),
        Value::U32(u32::MAX),
        Value::I32(i32::MIN),
        Value::F32(0.5),
        Value::Bool(true),
        Value::String("\u{e9}".into()),
        Value::Array(Array::Bool(vec![false, true])),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F64(0.1),
    ];
    assert_eq!(values, wanted);
    for (key, value) in header.metadata().iter() {
        assert_eq!(key, value.value_type().to_string());
    }
}

#[test]
fn bad_values_are_refused() {
    let value = |value_type, bytes: &[u8]| {
        let error = refused(&Writer::new().raw(b"some.key", value_type, bytes));
        assert!(error.to_string().contains("\"some.key\""), "{error}");
        inner(error)
    };
    let unknown = value(13, &[]);
    assert!(
        matches!(unknown, GgufError::UnknownValueType { found: 13, .. }),
        "{unknown}"
    );
    let unknown = value(9, &array(99, 0, &[]));
    assert!(
        matches!(unknown, GgufError::UnknownValueType { found: 99, .. }),
        "{unknown}"
    );
    let bad_bool = value(7, &[2]);
    assert!(
        matches!(bad_bool, GgufError::Bool { found: 2, .. }),
        "{bad_bool}"
    );
    let bad_bool = value(9, &array(7, 2, &[1, 255]));
    assert!(
        matches!(bad_bool, GgufError::Bool { found: 255, .. }),
        "{bad_bool}"
    );
    let not_utf8 = value(8, &string(b"\xff\xfe"));
    assert!(matches!(not_utf8, GgufError::Utf8 { .. }), "{not_utf8}");
    // Valid together, but not each by itself.
    let halves = [string(b"\xc3"), string(b"\xa9")].concat();
    let not_utf8 = value(9, &array(8, 2, &halves));
    assert!(matches!(not_utf8, GgufError::Utf8 { .. }), "{not_utf8}");
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| {
        let mut value = array(4, 1, &7u32.to_le_bytes());
        for _ in 1..depth {
            value = array(9, 1, &value);
        }
        parse(&Writer::new().raw(b"a", 9, &value))
    };
    let deepest = nested(8).unwrap();
    let mut array = deepest.metadata().array("a").unwrap().unwrap();
    while let Array::Array(inner) = array {
        array = &inner[0];
    }
    assert_eq!(array, &Array::U32(vec![7]));
    for depth in [9, 5000] {
        let error = inner(nested(depth).unwrap_err());
        assert!(
            matches!(error, GgufError::Nesting { limit: 8, .. }),
            "{error}"
        );
    }
}

#[test]
fn names_are_unique_utf8_and_of_sane_length() {
    let key = "k".to_owned();
    let twice = Writer::new().u32("k", 1).str("k", "again");
    assert_eq!(refused(&twice), GgufError::DuplicateKey { key });
    let name = "t".to_owned();
    let twice = Writer::new()
        .tensor("t", GgmlType::F32, &[1])
        .tensor("t", GgmlType::F32, &[1]);
    assert_eq!(refused(&twice), GgufError::DuplicateTensor { name });

    let bad_key = |key: &[u8]| refused(&Writer::new().raw(key, 4, &[0; 4]));
    assert!(matches!(
        bad_key(b""),
        GgufError::NameLength { found: 0, .. }
    ));
    assert!(matches!(
        bad_key(&[b'k'; 65_536]),
        GgufError::NameLength { limit: 65_535, .. }
    ));
    assert!(matches!(bad_key(b"\xff"), GgufError::Utf8 { .. }));
    let bad_name = |name: &[u8]| refused(&Writer::new().entry(name, &[1], 0, 0));
    assert!(matches!(
        bad_name(b""),
        GgufError::NameLength { found: 0, .. }
    ));
    assert!(matches!(
        bad_name(&[b't'; 65]),
        GgufError::NameLength { limit: 64, .. }
    ));
    assert!(matches!(bad_name(b"\xff\xff"), GgufError::Utf8 { .. }));
}

#[test]
fn the_alignment_is_honoured_and_checked() {
    let mut writer = Writer::new().u32("general.alignment", 256);
    writer.alignment = 256;
    let writer = writer
        .tensor("a", GgmlType::F32, &[1])
        .tensor("b", GgmlType::F32, &[1]);
    let header = parse(&writer).unwrap();
    assert_eq!(header.alignment(), 256);
    assert_eq!(header.tensor("b").unwrap().range().start % 256, 0);

    for found in [0, 1, 4, 24, 1 << 31] {
        let error = refused(&Writer::new().u32("general.alignment", found));
        let found = found.into();
        assert_eq!(
            error,
            GgufError::Alignment {
                found,
                limit: 1 << 30
            }
        );
    }
    let error = inner(refused(&Writer::new().str("general.alignment", "32")));
    let found = ValueType::String;
    assert!(
        matches!(error, GgufError::WrongType { found: f, .. } if f == found),
        "{error}"
    );
}

#[test]
fn impossible_tensors_are_refused() {
    let tensor = |dims: &[u64], type_id, offset| {
        let writer = Writer::new()
            .tensor("room", GgmlType::I8, &[1 << 12])
            .entry(b"odd", dims, type_id, offset);
        let error = refused(&writer);
        assert!(error.to_string().contains("\"odd\""), "{error}");
        inner(error)
    };
    let limit = 4;
    assert_eq!(tensor(&[1; 5], 0, 0), GgufError::Rank { found: 5, limit });
    for dims in [
        vec![0],
        vec![4, 0],
        vec![u64::MAX, u64::MAX],
        vec![1 << 32, 1 << 32],
        vec![1 << 61],
        vec![1 << 16; 4],
    ] {
        assert_eq!(tensor(&dims, 0, 0), GgufError::Dimensions { dims });
    }
    for found in [4, 5, 31, 36, 42, 1000, u32::MAX] {
        assert_eq!(
            tensor(&[32], found, 0),
            GgufError::UnknownTensorType { found }
        );
    }
    let (row, dtype) = (48, GgmlType::Q4_1);
    assert_eq!(
        tensor(&[48, 2], 3, 0),
        GgufError::PartialBlock { row, dtype }
    );
    let alignment = 32;
    for offset in [1, 8, 33] {
        assert_eq!(
            tensor(&[1], 0, offset),
            GgufError::Misaligned { offset, alignment }
        );
    }
    for (dims, offset, size) in [
        (vec![1 << 40], 0, 1 << 42),
        (vec![9], 4064, 36),
        (vec![1], 1 << 50, 4),
        (vec![1], u64::MAX - 31, 4),
    ] {
        let available = 4096;
        let error = tensor(&dims, 0, offset);
        assert_eq!(
            error,
            GgufError::OutOfFile {
                offset,
                size,
                available
            }
        );
    }
}

#[test]
fn overlapping_tensors_are_refused_and_touching_ones_are_not() {
    let file = |first: u64, second: u64| {
        parse(
            &Writer::new()
                .tensor("room", GgmlType::I8, &[64])
                .entry(b"a", &[8], 0, first)
                .entry(b"b", &[8], 0, second)
                .tensor("more", GgmlType::I8, &[128]),
        )
    };
    assert!(file(192, 224).is_err(), "the room for these ends at 192");
    let overlap = |first: &str, second: &str, offset| GgufError::Overlap {
        first: first.into(),
        second: second.into(),
        offset,
    };
    assert_eq!(file(0, 32).unwrap_err(), overlap("room", "a", 0));
    let apart = Writer::new()
        .entry(b"b", &[8], 0, 32)
        .entry(b"a", &[8], 0, 0)
        .finish();
    let apart = [apart, vec![0; 64]].concat();
    assert!(GgufHeader::parse(&apart).is_ok());
    let longer = Writer::new()
        .entry(b"b", &[8], 0, 32)
        .entry(b"a", &[9], 0, 0)
        .finish();
    let longer = [longer, vec![0; 64]].concat();
    assert_eq!(GgufHeader::parse(&longer), Err(overlap("a", "b", 32)));
}

#[test]
fn values_are_converted_only_where_nothing_is_lost() {
    let writer = Writer::new()
        .raw(b"i32", 5, &(-1i32).to_le_bytes())
        .raw(b"i8", 1, &[5])
        .f32("f32", 0.25)
        .strings("strings", &["a", "", "bc"])
        .u32s("u32s", &[1]);
    let header = parse(&writer).unwrap();
    let metadata = header.metadata();
    assert_eq!(metadata.uint("i8"), Ok(Some(5)));
    assert_eq!(metadata.float("f32"), Ok(Some(0.25)));
    assert_eq!(metadata.uint("absent"), Ok(None));
    let strings = metadata.strings("strings").unwrap().unwrap();
    assert_eq!(strings.iter().collect::<Vec<_>>(), ["a", "", "bc"]);
    assert_eq!(
        (strings.get(1), strings.get(2), strings.get(3)),
        (Some(""), Some("bc"), None)
    );
    metadata.uint("i32").unwrap_err();
    metadata.uint("f32").unwrap_err();
    metadata.float("i8").unwrap_err();
    let error = metadata.strings("u32s").unwrap_err().to_string();
    assert_eq!(
        error,
        "metadata \"u32s\": it is an array of u32, needed is an array of string"
    );
}
