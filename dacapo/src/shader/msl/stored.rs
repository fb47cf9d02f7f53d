//! Compiled kernels as bytes, and what they depend on.

use super::{BufferSizes, InlineArgument, MslShader, MslTarget, THREADGROUP_UNIT};
use crate::disk_cache::Key;
use crate::info::CooperativeMatrix;
use crate::kernel::{Interface, Wgsl};
use crate::shader::immediates::MAX_SLOTS;
use crate::shader::stored::{decode_interface, encode_interface, flag, hash, key_of};

/// Changes with what [`encode`] writes.
const VERSION: u32 = 1;

/// Whatever decides what the text is like.
const COMPILER: u64 = hash(&[
    include_bytes!("../front.rs"),
    include_bytes!("../immediates.rs"),
    include_bytes!("../matrices.rs"),
    include_bytes!("../mod.rs"),
    include_bytes!("../msl.rs"),
    include_bytes!("lengths.rs"),
    include_bytes!("../reflect.rs"),
    include_bytes!("../specialize.rs"),
]);

/// Everything that the compiled kernel depends on.
pub(super) fn key(wgsl: &Wgsl, declared: &Interface, target: &MslTarget) -> Key {
    let MslTarget {
        language: (major, minor),
        subgroup_size,
        f16,
        cooperative_matrix,
        subgroups,
    } = *target;
    let matrix_size = cooperative_matrix.map_or(0, CooperativeMatrix::size);
    let flags = [f16, subgroups];
    // Buffers are numbered by them.
    let slots = declared.bindings.iter();
    let slots: Vec<u8> = slots
        .flat_map(|binding| binding.slot.to_le_bytes())
        .collect();
    key_of("msl", VERSION, COMPILER, wgsl)
        .bytes(&slots)
        .bytes(&[major, minor])
        .bytes(&subgroup_size.to_le_bytes())
        .bytes(&matrix_size.to_le_bytes())
        .bytes(&flags.map(u8::from))
        .finish()
}

/// Words in the order of the fields, counts before what they count; then the entry's name and the text, which is the
/// rest.
pub(super) fn encode(shader: &MslShader) -> Vec<u8> {
    let MslShader {
        text,
        entry,
        interface,
        inline,
        sizes,
        threadgroup,
        uses_subgroups,
    } = shader;
    let mut words = vec![
        inline.map_or(u32::MAX, |inline| inline.index),
        inline.map_or(0, |inline| inline.bytes),
        u32::from(*uses_subgroups),
        sizes.as_ref().map_or(u32::MAX, |sizes| sizes.index),
    ];
    let counted = |values: &[u32], words: &mut Vec<u32>| {
        words.push(values.len() as u32);
        words.extend_from_slice(values);
    };
    if let Some(sizes) = sizes {
        counted(&sizes.bindings, &mut words);
    }
    counted(threadgroup, &mut words);
    encode_interface(interface, &mut words);
    words.push(entry.len() as u32);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(entry.as_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// What [`encode`] has written; `None` for all other bytes that it could not have.
pub(super) fn decode(bytes: &[u8]) -> Option<MslShader> {
    let mut rest = bytes;
    let mut words = core::iter::from_fn(|| {
        let (word, after) = rest.split_first_chunk()?;
        rest = after;
        Some(u32::from_le_bytes(*word))
    });
    let (inline_index, inline_bytes) = (index(words.next()?)?, words.next()?);
    let inline = inline_index.map(|index| InlineArgument {
        index,
        bytes: inline_bytes,
    });
    if inline.is_none() && inline_bytes != 0 {
        return None;
    }
    let uses_subgroups = flag(words.next()?)?;
    let sizes = match index(words.next()?)? {
        Some(index) => Some(BufferSizes {
            index,
            bindings: counted(&mut words, |position| position < MAX_SLOTS)?,
        }),
        None => None,
    };
    let threadgroup = counted(&mut words, |bytes| {
        bytes == u32::MAX || bytes.is_multiple_of(THREADGROUP_UNIT)
    })?;
    let interface = decode_interface(&mut words)?;
    let entry_len = words.next()?;
    let (entry, text) = rest.split_at_checked(entry_len as usize)?;
    Some(MslShader {
        text: str::from_utf8(text).ok()?.to_owned(),
        entry: str::from_utf8(entry).ok()?.to_owned(),
        interface,
        inline,
        sizes,
        threadgroup,
        uses_subgroups,
    })
}

/// The index of a buffer, or that there is none.
fn index(word: u32) -> Option<Option<u32>> {
    match word {
        u32::MAX => Some(None),
        index => (index <= MAX_SLOTS + 1).then_some(Some(index)),
    }
}

/// Most values that are read where a count stands. Metal has 31 arguments of each kind; a module may declare more
/// variables than its entry point uses.
const MAX_COUNT: u32 = 1 << 16;

fn counted(
    words: &mut impl Iterator<Item = u32>,
    allowed: impl Fn(u32) -> bool,
) -> Option<Vec<u32>> {
    let count = words.next().filter(|count| *count <= MAX_COUNT)?;
    let values: Vec<u32> = words.take(count as usize).collect();
    (values.len() == count as usize && values.iter().all(|value| allowed(*value))).then_some(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access::Access;
    use crate::disk_cache::{DiskCache, scratch_folder};
    use crate::kernel::KernelSource;
    use crate::shader::msl::compile_with;
    use crate::shader::msl::tests::{PLAIN, nothing_declared, ok};
    use crate::shader::tests::{ALL_KINDS, AXPY, trusted};

    fn shaders() -> Vec<MslShader> {
        [
            Wgsl::new(AXPY),
            trusted(AXPY),
            Wgsl::new(ALL_KINDS),
            Wgsl::new(ALL_KINDS).entry("clear"),
        ]
        .map(|wgsl| ok(&wgsl, &PLAIN))
        .into()
    }

    #[test]
    fn shaders_come_back() {
        for shader in shaders() {
            assert_eq!(decode(&encode(&shader)).as_ref(), Some(&shader));
        }
    }

    #[test]
    fn parts_of_shaders_are_refused() {
        for shader in shaders() {
            let bytes = encode(&shader);
            // Everything before the text: the text has no end of its own, the file around it has.
            for end in 0..bytes.len() - shader.text.len() {
                assert_eq!(decode(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn keys_differ_where_anything_does() {
        let wgsl = || Wgsl::new("text");
        let nothing = nothing_declared();
        let mut keys: Vec<_> = [
            wgsl(),
            Wgsl::new("text "),
            wgsl().entry("mai"),
            wgsl().constant("n", 1),
            wgsl().constant("n", 2),
            wgsl().constant("m", 1).constant("n", 1),
            trusted("text"),
        ]
        .iter()
        .map(|wgsl| key(wgsl, &nothing, &PLAIN))
        .collect();
        for change in [
            |target: &mut MslTarget| target.language = (3, 0),
            |target: &mut MslTarget| target.language = (2, 0),
            |target: &mut MslTarget| target.subgroup_size = 9,
            |target: &mut MslTarget| target.f16 = true,
            |target: &mut MslTarget| target.cooperative_matrix = Some(CooperativeMatrix::Size8),
            |target: &mut MslTarget| target.subgroups = false,
        ] {
            let mut target = PLAIN;
            change(&mut target);
            keys.push(key(&wgsl(), &nothing, &target));
        }
        for slot in [0, 1] {
            let declared = KernelSource::new("kernel").binding::<f32>(slot, Access::Read);
            keys.push(key(&wgsl(), declared.interface(), &PLAIN));
        }
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
        }
        assert_eq!(keys[0], key(&wgsl(), &nothing, &PLAIN));
    }

    #[test]
    fn the_second_compilation_reads_the_first() {
        let folder = scratch_folder();
        let cache = DiskCache::open(Some(&folder));
        let (wgsl, nothing) = (Wgsl::new(AXPY), nothing_declared());
        let compile = || compile_with(&cache, "kernel", &wgsl, &nothing, &PLAIN).unwrap();
        let key = key(&wgsl, &nothing, &PLAIN);
        let first = compile();
        // A mark that no compiler leaves, to tell where the second comes from.
        let marked = MslShader {
            text: "marked".to_owned(),
            ..first.clone()
        };
        cache.store(key, &encode(&marked));
        assert_eq!(compile(), marked);
        cache.store(key, b"not a shader");
        assert_eq!(compile(), first);
        assert_eq!(decode(&cache.load(key).unwrap()), Some(first));
        std::fs::remove_dir_all(folder).unwrap();
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same(
            words in prop::collection::vec(prop_oneof![0..40u32, any::<u32>(), Just(u32::MAX)], 0..60),
        ) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            if let Some(shader) = decode(&bytes) {
                prop_assert_eq!(encode(&shader), bytes);
            }
        }

        #[test]
        fn flipped_bits_never_panic(which in 0..4usize, at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let shader = &shaders()[which];
            let mut bytes = encode(shader);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Some(other) = decode(&bytes) {
                prop_assert_ne!(&other, shader);
                prop_assert_eq!(encode(&other), bytes);
            }
        }
    }
}
