//! What the parts of a variable are called.

use naga::{Handle, Module, Type, TypeInner};

use super::shape::{length, scalars};

/// How a type is made up, as far as the names of its scalars go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    Scalar,
    /// Components of a vector.
    Components,
    /// Columns or elements, of so many scalars each.
    Elements(u32, Box<Parts>),
    /// Members, with the scalars before each.
    Members(Vec<(u32, String, Parts)>),
}

impl Parts {
    pub(super) fn of(module: &Module, ty: Handle<Type>) -> Parts {
        match module.types[ty].inner {
            TypeInner::Vector { .. } => Parts::Components,
            TypeInner::Matrix { rows, .. } => {
                Parts::Elements(rows as u32, Box::new(Parts::Components))
            }
            TypeInner::Array { base, size, .. } => {
                match (length(module, size), scalars(module, base)) {
                    (Ok(_), Ok(each)) => {
                        Parts::Elements(each.max(1), Box::new(Parts::of(module, base)))
                    }
                    _ => Parts::Scalar,
                }
            }
            TypeInner::Struct { ref members, .. } => {
                let mut first = 0;
                let mut named = Vec::new();
                for member in members {
                    let name = member.name.clone().unwrap_or_default();
                    named.push((first, name, Parts::of(module, member.ty)));
                    first += scalars(module, member.ty).unwrap_or(0);
                }
                Parts::Members(named)
            }
            _ => Parts::Scalar,
        }
    }

    /// The path from a variable to one of its scalars, such as `[3].x`.
    pub(crate) fn path(&self, scalar: u32) -> String {
        match self {
            Parts::Scalar => String::new(),
            Parts::Components => match "xyzw".chars().nth(scalar as usize) {
                Some(name) => format!(".{name}"),
                None => String::new(),
            },
            Parts::Elements(each, part) => {
                format!("[{}]{}", scalar / each, part.path(scalar % each))
            }
            Parts::Members(members) => {
                let at = members.partition_point(|(first, ..)| *first <= scalar);
                match at.checked_sub(1).map(|at| &members[at]) {
                    Some((first, name, part)) => format!(".{name}{}", part.path(scalar - first)),
                    None => String::new(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_members_elements_and_components() {
        let text = "
            struct Inner { a: f32, b: vec3<f32> }
            struct Outer { first: u32, many: array<Inner, 3>, m: mat2x3<f32> }
            var<private> outer: Outer;";
        let module = naga::front::wgsl::parse_str(text).unwrap();
        let (_, outer) = module.global_variables.iter().next().unwrap();
        let parts = Parts::of(&module, outer.ty);
        let paths = [0, 1, 2, 4, 9, 12, 13, 16, 18].map(|scalar| parts.path(scalar));
        let wanted = [
            ".first",
            ".many[0].a",
            ".many[0].b.x",
            ".many[0].b.z",
            ".many[2].a",
            ".many[2].b.z",
            ".m[0].x",
            ".m[1].x",
            ".m[1].z",
        ];
        assert_eq!(paths, wanted);
        assert_eq!(Parts::Scalar.path(0), "");
    }
}
