//! Methods that only the other kind of flow has, so that rustc says what to write instead of naming a long type. Their bounds hold for
//! no argument (they are on the argument because its type is short; without arguments they are on the flow's name, which is short too).

use super::flow::{Conditional, Evaluation, Flow, Unconditional};
use super::named::Embedded;
use super::samples::{Regularised, TracedSample};
use super::{Element, Sample};
use crate::error::Error;
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, NoneTape, Tensor};

/// No argument of a conditional flow: features come first.
#[diagnostic::on_unimplemented(
    message = "this flow is conditional (`cond`): give it features first",
    label = "a density only with features given",
    note = "write `pdf.given(&features)?` and use the result in its place"
)]
pub trait FeaturesFirst {}

/// No argument of an unconditional flow: it is given nothing.
#[diagnostic::on_unimplemented(
    message = "this flow is not conditional: it is given no features",
    label = "there is nothing to give",
    note = "call `log_prob`, `sample`, .. on the flow itself, or add `| cond 32` to its notation"
)]
pub trait NoFeatures {}

impl<Tag, F, const N: usize, const M: usize, B, W, E: Element> Flow<Conditional<Tag, F, N, M, B>, W, E, Cpu> {
    #[doc(hidden)]
    pub fn log_prob<X: FeaturesFirst>(&self, _: X) -> Result<Tensor<(usize,), E, Cpu>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn log_prob_embedded<X: FeaturesFirst>(&self, _: X) -> Result<Tensor<(usize,), E, Cpu>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn log_prob_regularised<X: FeaturesFirst>(&self, _: X) -> Result<Regularised<usize, E, NoneTape>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn evaluate<X: FeaturesFirst>(&self, _: X) -> Result<Evaluation<usize, N, E>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn evaluate_embedded<X: FeaturesFirst>(&self, _: X) -> Result<Evaluation<usize, N, E>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn sample<G: FeaturesFirst + ?Sized>(
        &self,
        _: usize,
        _: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<N>), (usize,), E>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn sample_embedded<G: FeaturesFirst + ?Sized>(
        &self,
        _: usize,
        _: &mut G,
    ) -> Result<Sample<Tag, (usize, Const<M>), (usize,), E, Embedded>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn rsample<G: FeaturesFirst + ?Sized, T>(
        &self,
        _: usize,
        _: &mut G,
        _: T,
    ) -> Result<TracedSample<Tag, (usize, Const<N>), (usize,), E>, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn on_tape<X: FeaturesFirst>(&self, _: X) -> Result<&Self, Error> {
        unreachable!("no argument meets the bound")
    }
    #[doc(hidden)]
    pub fn log_mean(&self) -> Result<E, Error>
    where
        Tag: FeaturesFirst,
    {
        unreachable!("no flow meets the bound")
    }
    #[doc(hidden)]
    pub fn extended_log_likelihood<X: FeaturesFirst>(&self, _: X) -> Result<Tensor<(), E, Cpu>, Error> {
        unreachable!("no argument meets the bound")
    }
}

impl<Tag, const N: usize, const M: usize, B, W, E: Element> Flow<Unconditional<Tag, N, M, B>, W, E, Cpu> {
    #[doc(hidden)]
    pub fn given<X: NoFeatures>(&self, _: X) -> Result<&Self, Error> {
        unreachable!("no argument meets the bound")
    }
}
