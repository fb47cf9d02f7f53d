//! Compiled kernels as bytes, and what they depend on.

use super::immediates::MAX_SLOTS;
use super::{Shader, Target};
use crate::access::Access;
use crate::disk_cache::{Key, KeyBuilder};
use crate::info::CooperativeMatrix;
use crate::kernel::{Binding, Interface, SharedMemory, Wgsl};

/// Changes with what [`encode`] writes.
const VERSION: u32 = 1;

/// The version of naga in the lock file: another one may write other code.
const NAGA: &str = "30.0.2";

/// Whatever in this folder decides what the code is like.
const COMPILER: u64 = hash(&[
    include_bytes!("access_chains.rs"),
    include_bytes!("front.rs"),
    include_bytes!("immediates.rs"),
    include_bytes!("matrices.rs"),
    include_bytes!("mod.rs"),
    include_bytes!("reflect.rs"),
    include_bytes!("specialize.rs"),
    include_bytes!("spirv.rs"),
]);

const MAGIC: u32 = 0x0723_0203;

/// FNV-1a, which is simple enough for the compiler to evaluate.
pub(super) const fn hash(texts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut text = 0;
    while text < texts.len() {
        let mut at = 0;
        while at < texts[text].len() {
            hash = (hash ^ texts[text][at] as u64).wrapping_mul(0x100_0000_01b3);
            at += 1;
        }
        text += 1;
    }
    hash
}

/// What any compiled form of a kernel depends on: naga, the sources of this crate behind `compiler`, and the kernel.
pub(super) fn key_of(kind: &str, version: u32, compiler: u64, wgsl: &Wgsl) -> KeyBuilder {
    let Wgsl {
        text,
        entry,
        constants,
        trusted,
    } = wgsl;
    let mut key = KeyBuilder::new(kind, version)
        .bytes(NAGA.as_bytes())
        .bytes(&compiler.to_le_bytes())
        .bytes(text.as_bytes())
        .bytes(entry.as_bytes())
        .bytes(&[u8::from(*trusted)])
        .bytes(&constants.len().to_le_bytes());
    for (name, bits) in constants {
        key = key.bytes(name.as_bytes()).bytes(&bits.to_le_bytes());
    }
    key
}

/// Everything that the compiled kernel depends on.
pub(super) fn key(wgsl: &Wgsl, target: &Target) -> Key {
    let Target {
        spirv_version: (major, minor),
        subgroup_size,
        f16,
        cooperative_matrix,
        subgroups,
        max_immediate_bytes,
        join_access_chains,
    } = *target;
    let matrix_size = cooperative_matrix.map_or(0, CooperativeMatrix::size);
    let flags = [f16, subgroups, join_access_chains];
    key_of("shader", VERSION, COMPILER, wgsl)
        .bytes(&[major, minor])
        .bytes(&subgroup_size.to_le_bytes())
        .bytes(&max_immediate_bytes.to_le_bytes())
        .bytes(&matrix_size.to_le_bytes())
        .bytes(&flags.map(u8::from))
        .finish()
}

/// Words in the order of the fields: counts come before what they count, and the code is the rest.
pub(super) fn encode(shader: &Shader) -> Vec<u8> {
    let Shader {
        spirv,
        interface,
        inline_slot,
        uses_subgroups,
    } = shader;
    let mut words = vec![inline_slot.unwrap_or(u32::MAX), u32::from(*uses_subgroups)];
    encode_interface(interface, &mut words);
    words.extend_from_slice(spirv);
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What [`encode`] has written; `None` for all other bytes that it could not have.
pub(super) fn decode(bytes: &[u8]) -> Option<Shader> {
    let (words, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
    let inline_slot = match words.next()? {
        u32::MAX => None,
        slot if slot < MAX_SLOTS => Some(slot),
        _ => return None,
    };
    let uses_subgroups = flag(words.next()?)?;
    let interface = decode_interface(&mut words)?;
    let mut slots = interface.bindings.iter().map(|binding| binding.slot);
    if slots.any(|slot| Some(slot) == inline_slot) {
        return None;
    }
    let spirv: Vec<u32> = words.collect();
    if spirv.first() != Some(&MAGIC) {
        return None;
    }
    Some(Shader {
        spirv,
        interface,
        inline_slot,
        uses_subgroups,
    })
}

/// A `bool` that was written as a word.
pub(super) fn flag(word: u32) -> Option<bool> {
    match word {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What an entry point binds, as words: counts come before what they count.
pub(super) fn encode_interface(interface: &Interface, words: &mut Vec<u32>) {
    words.extend([interface.inline_bytes, interface.shared.max_bytes()]);
    words.extend(interface.workgroup);
    words.push(interface.bindings.len() as u32);
    for binding in &interface.bindings {
        words.extend([binding.slot, access_code(binding.access), binding.align]);
    }
}

/// What [`encode_interface`] has written; `None` for all other words that it could not have.
pub(super) fn decode_interface(words: &mut impl Iterator<Item = u32>) -> Option<Interface> {
    let (inline_bytes, shared) = (words.next()?, words.next()?);
    let workgroup = [words.next()?, words.next()?, words.next()?];
    let count = words.next().filter(|count| *count <= MAX_SLOTS)?;
    let mut bindings = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (slot, code, align) = (words.next()?, words.next()?, words.next()?);
        let follows = bindings
            .last()
            .is_none_or(|before: &Binding| before.slot < slot);
        if !follows || slot >= MAX_SLOTS || !align.is_power_of_two() {
            return None;
        }
        bindings.push(Binding {
            slot,
            access: access_of(code)?,
            align,
        });
    }
    Some(Interface {
        bindings,
        inline_bytes,
        workgroup,
        shared: match shared {
            0 => SharedMemory::None,
            bytes => SharedMemory::Fixed(bytes),
        },
        touches_anything: false,
        overwritten: Vec::new(),
        is_transfer: false,
    })
}

const ACCESSES: [Access; 3] = [Access::Read, Access::Write, Access::ReadWrite];

fn access_code(access: Access) -> u32 {
    match access {
        Access::Read => 0,
        Access::Write => 1,
        Access::ReadWrite => 2,
    }
}

fn access_of(code: u32) -> Option<Access> {
    ACCESSES.get(code as usize).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::disk_cache::DiskCache;
    use crate::shader::compile_with;
    use crate::shader::tests::{ALL_KINDS, AXPY, FULL, PLAIN};

    fn shaders() -> Vec<Shader> {
        let small = Target {
            max_immediate_bytes: 0,
            ..PLAIN
        };
        [
            (Wgsl::new(AXPY), PLAIN),
            (Wgsl::new(AXPY), small),
            (Wgsl::new(ALL_KINDS), FULL),
            (Wgsl::new(ALL_KINDS).entry("clear"), PLAIN),
        ]
        .map(|(wgsl, target)| crate::shader::compile("kernel", &wgsl, &target).unwrap())
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
            // Everything before the code: the code has no end of its own, the file around it has.
            for end in 0..=bytes.len() - shader.spirv.len() * 4 {
                assert_eq!(decode(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn keys_differ_where_anything_does() {
        let wgsl = || Wgsl::new("text");
        let mut keys: Vec<_> = [
            wgsl(),
            Wgsl::new("text "),
            wgsl().entry("mai"),
            wgsl().constant("n", 1),
            wgsl().constant("n", 2),
            wgsl().constant("m", 1),
            wgsl().constant("m", 1).constant("n", 1),
            crate::shader::tests::trusted("text"),
        ]
        .iter()
        .map(|wgsl| key(wgsl, &PLAIN))
        .collect();
        for change in [
            |target: &mut Target| target.spirv_version = (1, 4),
            |target: &mut Target| target.subgroup_size = 9,
            |target: &mut Target| target.f16 = true,
            |target: &mut Target| target.cooperative_matrix = Some(CooperativeMatrix::Size8),
            |target: &mut Target| target.cooperative_matrix = Some(CooperativeMatrix::Size16),
            |target: &mut Target| target.subgroups = false,
            |target: &mut Target| target.max_immediate_bytes = 256,
            |target: &mut Target| target.join_access_chains = true,
        ] {
            let mut target = PLAIN;
            change(&mut target);
            keys.push(key(&wgsl(), &target));
        }
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
        }
        assert_eq!(keys[0], key(&wgsl(), &PLAIN));
    }

    #[test]
    fn the_version_of_naga_is_that_of_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        let entry = format!("name = \"naga\"\nversion = \"{NAGA}\"");
        assert!(lock.contains(&entry), "update NAGA in stored.rs");
    }

    #[test]
    fn the_second_compilation_reads_the_first() {
        let folder = crate::disk_cache::scratch_folder();
        let cache = DiskCache::open(Some(&folder));
        let wgsl = Wgsl::new(AXPY);
        let first = compile_with(&cache, "kernel", &wgsl, &PLAIN).unwrap();
        // A mark that no compiler leaves, to tell where the second comes from.
        let mut marked = first.clone();
        marked.interface.workgroup = [7, 7, 7];
        assert_eq!(
            decode(&cache.load(key(&wgsl, &PLAIN)).unwrap()),
            Some(first.clone())
        );
        cache.store(key(&wgsl, &PLAIN), &encode(&marked));
        let second = compile_with(&cache, "kernel", &wgsl, &PLAIN).unwrap();
        assert_eq!(second, marked);
        // An entry that holds no shader is compiled afresh, and replaced.
        cache.store(key(&wgsl, &PLAIN), b"not a shader");
        let third = compile_with(&cache, "kernel", &wgsl, &PLAIN).unwrap();
        assert_eq!(third, first);
        assert_eq!(
            decode(&cache.load(key(&wgsl, &PLAIN)).unwrap()),
            Some(first)
        );
        // Errors are found each time.
        for _ in 0..2 {
            let bad = Wgsl::new("fn main() {");
            assert!(compile_with(&cache, "kernel", &bad, &PLAIN).is_err());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_shader_or_none(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn what_decodes_encodes_to_the_same(
            words in prop::collection::vec(prop_oneof![0..40u32, any::<u32>(), Just(u32::MAX), Just(MAGIC)], 0..60),
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
