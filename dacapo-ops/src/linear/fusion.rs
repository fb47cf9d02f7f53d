//! What comes before and after products becomes one dispatch with them.

use dacapo::{FusionRule, Link, Match, Unfit};

use super::gpu::Attending;
use super::recorded::{Recorded, RecordedEpilogue, RecordedNorm, RecordedProduct, Then};
use super::slots::{INPUT, OUT};
use super::{Activation, Form, Linear};
use crate::attention::{Attention, Room};
use crate::dtype::DType;
use crate::gelu_mul;
use crate::rms_norm;
use crate::tensor::Tensor;

/// Most tokens with which a norm is worth computing again in every workgroup.
const NORMED_TOKENS: usize = 4;

/// Slots of the operations around products.
const ADD_TO: u32 = 0;
const ADDED: u32 = 1;
const GATE: u32 = 0;
const UP: u32 = 1;
const GATED: u32 = 2;
const LOGITS: u32 = 0;
const IDS: u32 = 1;
const ATTENDED: u32 = 4;
const NORM_X: u32 = 0;
const NORM_WEIGHT: u32 = 1;
const NORMED: u32 = 2;

/// Names of the rules of sums.
const MATVEC_SUMS: [&str; 2] = ["matvec, residual add", "matvec, bias"];
const MATMUL_SUMS: [&str; 2] = ["matmul, residual add", "matmul, bias"];

impl Linear {
    /// Gates and what they multiply, products of the same activations, sums after products, the search of the greatest
    /// and norms before products become one dispatch with them; in this order. On the processor only products of the same
    /// activations do: the others were no faster there (`docs/rejected-optimizations.md`).
    pub fn fusion_rules(&self) -> Vec<FusionRule> {
        if !self.on_gpu() {
            return self.several();
        }
        let gates = vec![
            self.gated("gate and up products, silu_mul", "silu_mul"),
            self.gated("gate and up products, gelu_mul", "gelu_mul"),
        ];
        let link = Link::Vanishing {
            from: (0, OUT),
            to: (1, LOGITS),
        };
        let argmax = self.rule("matvec, argmax", &["matvec", "argmax"], &[link], greatest);
        let sums = [
            self.sums("matvec", MATVEC_SUMS),
            self.sums("matmul", MATMUL_SUMS),
        ];
        let rules = [
            gates,
            self.several(),
            sums.concat(),
            vec![argmax],
            self.norms(),
        ];
        rules.concat()
    }

    /// Products of the same activations.
    fn several(&self) -> Vec<FusionRule> {
        vec![
            self.rule(
                "three products of one input",
                &["matvec"; 3],
                &[shared(1), shared(2)],
                |linear, found| {
                    let [a, b, c] = [0, 1, 2].map(|place| linear.recorded(found, place));
                    a?.beside(b?)?.beside(c?)
                },
            ),
            self.rule(
                "two products of one input",
                &["matvec"; 2],
                &[shared(1)],
                |linear, found| {
                    linear
                        .recorded(found, 0)?
                        .beside(linear.recorded(found, 1)?)
                },
            ),
        ]
    }

    /// A product that is added to something, or to which a row is added.
    fn sums(&self, op: &'static str, [residual, bias]: [&'static str; 2]) -> Vec<FusionRule> {
        let added = Link::Vanishing {
            from: (0, OUT),
            to: (1, ADDED),
        };
        let added_to = Link::Passed {
            from: (0, OUT),
            to: (1, ADD_TO),
        };
        vec![
            self.rule(residual, &[op, "add"], &[added], accumulated),
            self.rule(bias, &[op, "add"], &[added_to], biased),
        ]
    }

    /// The products between two attentions become one dispatch, and those after the last one, with the attention before
    /// them or without it, where workgroups can wait for each other and the tuning says that it is faster. Weights are of
    /// any types; of queries, keys and values two may be of one type and the third of another, and all or none have
    /// biases. These rules come last: they take what others have made. Who has them used must ask [`Linear::check_met`]
    /// whether all went well.
    pub fn chain_rules(&self, attention: &Attention) -> Vec<FusionRule> {
        let is_possible = matches!(&self.form, Form::Gpu(gpu) if gpu.has_chains());
        if !is_possible {
            return Vec::new();
        }
        let attends = Some(attention);
        [
            ("attention and products up to the next", attends, 4),
            (
                "attention and products of two types up to the next",
                attends,
                5,
            ),
            ("attention and products after it", attends, 3),
            ("products of two types between attentions", None, 5),
            ("products between attentions", None, 4),
            ("products after attention", None, 3),
        ]
        .map(|(name, attention, parts)| self.chain(name, attention, parts))
        .into()
    }

    /// Of so many dispatches of products: the last is one of a type of its own where queries, keys and values take two.
    fn chain(&self, name: &'static str, attention: Option<&Attention>, parts: usize) -> FusionRule {
        let first = usize::from(attention.is_some());
        let passed = |from: (usize, u32), to: (usize, u32)| Link::Passed { from, to };
        let mut ops = vec!["matvec_add", "matvec_gate_up", "matvec_add"];
        ops.extend(["matvec_each", "matvec"].iter().take(parts - 3));
        let mut links = vec![
            passed((first, OUT), (first + 1, INPUT)),
            passed((first + 1, OUT), (first + 2, INPUT)),
            passed((first, OUT), (first + 2, OUT)),
        ];
        links.extend((3..parts).map(|part| passed((first + 2, OUT), (first + part, INPUT))));
        if attention.is_some() {
            ops.insert(0, "rope_append_attention");
            let link = Link::Vanishing {
                from: (0, ATTENDED),
                to: (1, INPUT),
            };
            links.insert(0, link);
        }
        let (linear, attention) = (self.clone(), attention.cloned());
        FusionRule::new(name, &ops, &links, move |found, encoder| {
            let Form::Gpu(gpu) = &linear.form else {
                return Err(Unfit::new("the processor has no chains"));
            };
            let places = first..first + parts;
            let parts = places.map(|place| linear.recorded(found, place));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            let attend = attention
                .as_ref()
                .map(|attention| |room: Room| attention.part(found, 0, room));
            let attending = attend.as_ref().map(|attend| attend as Attending<'_>);
            gpu.encode_chain(encoder, attending, &parts)
        })
    }

    /// Norms before products.
    fn norms(&self) -> Vec<FusionRule> {
        let mut rules = Vec::new();
        // Weights of different types, such as keys and values of mixed quantisations, have the norm twice.
        let linear = self.clone();
        let links = [1, 2].map(|place| Link::Vanishing {
            from: (0, NORMED),
            to: (place, INPUT),
        });
        rules.push(FusionRule::new(
            "rms norm, products of one input, matvec",
            &["rms_norm", "matvec_each", "matvec"],
            &links,
            move |found, encoder| {
                for place in [1, 2] {
                    linear.encode_recorded(encoder, &normed(&linear, found, place)?)?;
                }
                Ok(())
            },
        ));
        for (name, op) in [
            ("rms norm, matvec", "matvec"),
            ("rms norm, products of one input", "matvec_each"),
            ("rms norm, gate and up products", "matvec_gate_up"),
            ("rms norm, matvec, argmax", "matvec_argmax"),
        ] {
            let link = Link::Vanishing {
                from: (0, NORMED),
                to: (1, INPUT),
            };
            rules.push(
                self.rule(name, &["rms_norm", op], &[link], |linear, found| {
                    normed(linear, found, 1)
                }),
            );
        }
        rules
    }

    /// A rule whose replacement is one dispatch of products.
    fn rule(
        &self,
        name: &'static str,
        ops: &[&'static str],
        links: &[Link],
        fused: impl Fn(&Linear, &Match<'_>) -> Result<Recorded, Unfit> + Send + Sync + 'static,
    ) -> FusionRule {
        let linear = self.clone();
        FusionRule::new(name, ops, links, move |found, encoder| {
            Ok(linear.encode_recorded(encoder, &fused(&linear, found)?)?)
        })
    }

    fn gated(&self, name: &'static str, op: &'static str) -> FusionRule {
        let vanishing = |place, slot| Link::Vanishing {
            from: (place, OUT),
            to: (2, slot),
        };
        let links = [shared(1), vanishing(0, GATE), vanishing(1, UP)];
        self.rule(name, &["matvec", "matvec", op], &links, |linear, found| {
            let activation = match found.node(2).kernel().name() {
                "silu_mul" => Activation::Silu,
                "gelu_tanh_mul" => Activation::Gelu(gelu_mul::Form::Tanh),
                "gelu_erf_mul" => Activation::Gelu(gelu_mul::Form::Erf),
                other => return Err(Unfit::new(format!("no product is gated by {other}"))),
            };
            let (mut gate, mut up) = (linear.recorded(found, 0)?, linear.recorded(found, 1)?);
            for product in [gate.plain()?, up.plain()?] {
                product.out = f32s(found, (2, GATED), product.out.shape())?;
            }
            let mut both = gate.beside(up)?;
            both.then = Then::Gate(activation);
            Ok(both)
        })
    }
}

/// The products at the first place of a rule and at `place` have the same activations.
fn shared(place: usize) -> Link {
    Link::Shared((0, INPUT), (place, INPUT))
}

/// A product that is added to something.
fn accumulated(linear: &Linear, found: &Match<'_>) -> Result<Recorded, Unfit> {
    let mut recorded = linear.recorded(found, 0)?;
    let product = recorded.plain()?;
    product.out = f32s(found, (1, ADD_TO), product.out.shape())?;
    product.epilogue = RecordedEpilogue::Accumulate;
    Ok(recorded)
}

/// A product to whose rows one row is added.
fn biased(linear: &Linear, found: &Match<'_>) -> Result<Recorded, Unfit> {
    let mut recorded = linear.recorded(found, 0)?;
    let product = recorded.plain()?;
    let bias = f32s(found, (1, ADDED), &[product.w.rows()])?;
    product.epilogue = RecordedEpilogue::Bias(bias);
    Ok(recorded)
}

/// A product of which only the index of the greatest is asked.
fn greatest(linear: &Linear, found: &Match<'_>) -> Result<Recorded, Unfit> {
    let mut recorded = linear.recorded(found, 0)?;
    let [tokens, _] = recorded.shape();
    let RecordedProduct { w, out, .. } = recorded.plain()?;
    let width: u32 = found.inline(1)?;
    if width as usize != w.rows() {
        let message = format!(
            "the greatest of {width} is asked, the product has {}",
            w.rows()
        );
        return Err(Unfit::new(message));
    }
    *out = Tensor::new(found.view(1, IDS)?.clone(), DType::U32, &[tokens])?;
    recorded.then = Then::Argmax { found: None };
    Ok(recorded)
}

/// The products at `place`, of activations that the first node norms.
fn normed(linear: &Linear, found: &Match<'_>, place: usize) -> Result<Recorded, Unfit> {
    let mut recorded = linear.recorded(found, place)?;
    let [tokens, cols] = recorded.shape();
    let rms_norm::Params { width, eps, .. } = found.inline(0)?;
    if recorded.norm.is_some() {
        return Err(Unfit::new("the product norms its activations itself"));
    }
    if width as usize != cols {
        let message = format!("rows of {width} are normed, and rows of {cols} multiplied");
        return Err(Unfit::new(message));
    }
    if tokens > NORMED_TOKENS {
        return Err(Unfit::new(format!(
            "a norm inside a product pays for at most {NORMED_TOKENS} tokens, not {tokens}"
        )));
    }
    recorded.norm = Some(RecordedNorm {
        weight: f32s(found, (0, NORM_WEIGHT), &[cols])?,
        eps,
    });
    recorded.x = f32s(found, (0, NORM_X), &[tokens, cols])?;
    Ok(recorded)
}

fn f32s(found: &Match<'_>, (place, slot): (usize, u32), shape: &[usize]) -> Result<Tensor, Unfit> {
    let view = found.view(place, slot)?.clone();
    Ok(Tensor::new(view, DType::F32, shape)?)
}
