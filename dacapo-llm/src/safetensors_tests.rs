//! Folders, right and wrong.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// A folder that disappears with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dacapo-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(CONFIG), "{}").unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), bytes).unwrap();
        self
    }

    fn index(&self, weight_map: &str) -> &Self {
        self.write(INDEX, format!("{{\"weight_map\": {weight_map}}}"))
    }

    fn refused(&self) -> String {
        let error = SafetensorsFolder::open(&self.0).expect_err("this folder is wrong");
        assert!(matches!(error, Error::InFile { .. }), "{error}");
        error.to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A file with this JSON header and `size` bytes of data that count up.
fn file(header: &str, size: u8) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(0..size);
    bytes
}

/// A file with one F16 tensor of two elements.
fn one(name: &str) -> Vec<u8> {
    file(
        &format!("{{\"{name}\":{{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[0,4]}}}}"),
        4,
    )
}

#[test]
fn a_single_file_is_read_in_place() {
    let folder = Folder::new("single");
    let header = r#"{"__metadata__":{"format":"pt"},
        "b":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]},
        "a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
    folder
        .write(SINGLE, file(header, 14))
        .write(INDEX, "not looked at");
    let opened = SafetensorsFolder::open(&folder.0).unwrap();
    assert_eq!(opened.config_json(), b"{}");
    let names: Vec<_> = opened.tensors().iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    let b = opened.tensors().get("b").unwrap();
    assert_eq!((b.dtype, b.shape.as_slice()), (GgmlType::BF16, &[3][..]));
    let bytes = &opened.files()[b.file].bytes()[b.range.clone()];
    assert_eq!(bytes, [8, 9, 10, 11, 12, 13]);
}

#[test]
fn shards_are_joined() {
    let folder = Folder::new("shards");
    folder
        .write("x-1.safetensors", one("a"))
        .write("x-2.safetensors", one("b"))
        .index(r#"{"a": "x-1.safetensors", "b": "x-2.safetensors"}"#);
    let opened = SafetensorsFolder::open(&folder.0).unwrap();
    assert_eq!(opened.files().len(), 2);
    for name in ["a", "b"] {
        let tensor = opened.tensors().get(name).unwrap();
        assert_eq!(
            opened.files()[tensor.file].bytes()[tensor.range.clone()],
            [0, 1, 2, 3]
        );
    }
    assert_ne!(
        opened.tensors().get("a").unwrap().file,
        opened.tensors().get("b").unwrap().file
    );
}

#[test]
fn incomplete_folders_are_refused() {
    let folder = Folder::new("incomplete");
    assert!(
        folder
            .refused()
            .ends_with("neither model.safetensors nor model.safetensors.index.json")
    );
    folder.index(r#"{"a": "x-1.safetensors"}"#);
    assert!(
        folder.refused().contains("x-1.safetensors"),
        "the shard is missing"
    );
    fs::remove_file(folder.0.join(CONFIG)).unwrap();
    assert!(folder.refused().contains("config.json"));
}

#[test]
fn shards_and_index_must_agree() {
    let folder = Folder::new("disagree");
    folder
        .write("x-1.safetensors", one("a"))
        .write("x-2.safetensors", one("b"));
    folder.index(r#"{"a": "x-1.safetensors", "b": "x-2.safetensors", "c": "x-2.safetensors"}"#);
    let text = folder.refused();
    assert!(
        text.contains(r#"tensor "c" is not in "x-2.safetensors""#),
        "{text}"
    );
    folder.write("x-2.safetensors", one("a"));
    let text = folder.refused();
    assert!(
        text.contains(
            r#"tensor "a" is in "x-2.safetensors", but the index has it in "x-1.safetensors""#
        ),
        "{text}"
    );
    folder.write("x-2.safetensors", one("d"));
    assert!(folder.refused().ends_with("but the index has it nowhere"));
}

#[test]
fn shard_names_stay_in_the_folder() {
    let folder = Folder::new("escape");
    let bad = [
        "../x.safetensors",
        "/etc/x.safetensors",
        "sub/x.safetensors",
        "..\\\\x.safetensors",
        "C:x.safetensors",
        "x/.safetensors/..",
        "config.json",
        "..",
        "",
    ];
    for name in bad {
        folder.index(&format!("{{\"a\": \"{name}\"}}"));
        let text = folder.refused();
        assert!(text.contains("allowed is the plain name"), "{name}: {text}");
    }
    let many: Vec<_> = (0..=MAX_SHARDS)
        .map(|i| format!("\"{i}\": \"{i}.safetensors\""))
        .collect();
    folder.index(&format!("{{{}}}", many.join(",")));
    assert!(folder.refused().contains("lists 4097 shards, at most 4096"));
    let twice = r#"{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}"#;
    for index in ["", "{}", "[]", r#"{"weight_map": {"a": 1}}"#, twice] {
        folder.write(INDEX, index);
        assert!(
            folder.refused().contains("not an index of shards"),
            "{index}"
        );
    }
}

#[test]
fn broken_files_are_refused() {
    let folder = Folder::new("broken");
    let entry = |dtype: &str, shape: &str, end: u64| {
        format!("{{\"a\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{end}]}}}}")
    };
    let good = file(&entry("F32", "[2]", 8), 8);
    let bad = [
        Vec::new(),
        vec![255; 100],
        good[..good.len() - 1].to_vec(),
        [good.clone(), vec![0]].concat(),
        file(&entry("F32", "[2]", 7), 7),
        file(&entry("F32", "[18446744073709551615, 4]", 8), 8),
        file(&entry("Q4_K", "[2]", 8), 8),
        file("{\"a\":", 8),
        file(&format!("[{}]", entry("F32", "[2]", 8)), 8),
        // Twice the same name.
        file(
            &entry("F32", "[2]", 8).replace("}}", &format!("}},{}", &entry("F16", "[4]", 8)[1..])),
            8,
        ),
    ];
    for bytes in bad {
        folder.write(SINGLE, &bytes);
        let text = folder.refused();
        assert!(text.contains("not a valid safetensors file"), "{text}");
    }
    folder.write(SINGLE, file(&entry("F8_E4M3", "[8]", 8), 8));
    let text = folder.refused();
    assert!(text.contains(r#"tensor "a" has type F8_E4M3"#), "{text}");
}

proptest! {
    #[test]
    fn changed_files_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let header = r#"{"b":{"dtype":"F16","shape":[3],"data_offsets":[8,14]},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
        let mut bytes = file(header, 14);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for (name, tensor) in read_tensors(&bytes, 0).unwrap_or_default() {
            prop_assert!(bytes.get(tensor.range).is_some(), "{}", name);
        }
    }
}
