//! The types that `flow!` writes: builders, without weights.

use super::Flow;
use crate::kernels::{self, Blocks};
use crate::module::Element;
use crate::module::named::Label;
use crate::module::points::FeatureSpec;
use crate::module::weights::BuildWeights;
use core::marker::PhantomData;
use dfdx::nn::{BuildModule, BuildOnDevice};
use dfdx::tensor::{Cpu, CpuError};
use dfdx::tensor_ops::Device;

/// The type that `flow!` writes: `N` intrinsic and `M` embedded coordinates, blocks `B`, given features `F` (`()`:
/// none). `Tag` names it where `flow!` wrote a struct.
pub struct FlowSpec<Tag, F, const N: usize, const M: usize, B>(PhantomData<(Tag, F, B)>);

/// A flow without given features.
pub type Unconditional<Tag, const N: usize, const M: usize, B> = FlowSpec<Tag, (), N, M, B>;

/// A flow that is given features `F`.
pub type Conditional<Tag, F, const N: usize, const M: usize, B> = FlowSpec<Tag, F, N, M, B>;

/// What a type that `flow!` writes consists of.
///
/// Its constants are there on the type itself too: `type Pdf = flow!(e3 + s2 : gg + n);` has `Pdf::DIM`.
pub trait Spec: 'static {
    /// The name, `()` without one.
    type Tag;
    /// What is given.
    type Features: FeatureSpec;
    /// Manifolds, chains and heads.
    type Blocks: Blocks;

    /// Intrinsic coordinates of a point.
    const DIM: usize = Self::Blocks::DIM;
    /// Embedded coordinates of a point.
    const EMBEDDED_DIM: usize = Self::Blocks::EMBED;
    /// Features that are given.
    const FEATURES: usize = Self::Features::COUNT;
    /// Trainable numbers: free parameters and weights of networks.
    const PARAMS: usize = Self::Blocks::WEIGHTS;

    /// The table that a built flow prints: manifolds, layers, networks, and how many parameters they have.
    fn structure() -> String
    where
        Self: Sized,
        Self::Tag: Label,
    {
        crate::module::structure::structure::<Self>()
    }
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks> FlowSpec<Tag, F, N, M, B> {
    /// Intrinsic coordinates of a point.
    pub const DIM: usize = N;
    /// Embedded coordinates of a point.
    pub const EMBEDDED_DIM: usize = M;
    /// Features that are given.
    pub const FEATURES: usize = F::COUNT;
    /// Trainable numbers: free parameters and weights of networks.
    pub const PARAMS: usize = B::WEIGHTS;
}

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B: Blocks> Spec for FlowSpec<Tag, F, N, M, B> {
    type Tag = Tag;
    type Features = F;
    type Blocks = B;
}

/// A struct that `flow!` wrote: the flow it names, and the line it was written as.
pub trait Notation: Label {
    /// The flow.
    type Flow;
    /// The notation, in canonical form.
    const NOTATION: &'static str;
}

/// What `dev.build_module::<S, E>()` returns: the type to write in signatures.
pub type Built<S, E> = <S as BuildOnDevice<Cpu, E>>::Built;

impl<Tag: 'static, F: FeatureSpec, const N: usize, const M: usize, B, E: Element> BuildOnDevice<Cpu, E>
    for FlowSpec<Tag, F, N, M, B>
where
    Cpu: Device<E>,
    B: Blocks + BuildWeights<E, Cpu>,
{
    type Built = Flow<Self, B::Built, E, Cpu>;
    fn try_build_on_device(device: &Cpu) -> Result<Self::Built, CpuError> {
        const { kernels::admit::<B, E>() }
        BuildModule::try_build(device)
    }
}
