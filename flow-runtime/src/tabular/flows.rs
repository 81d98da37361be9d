//! Flows as models of tables see them: rows of plain numbers, whatever is given and however the notation is written.

use crate::data::{self, FlowShape, Stream};
use crate::density::{Density, Draws};
use crate::error::Error;
use crate::kernels::{Blocks, Coordinates};
use crate::module::{Built, Element, FeatureSpec, FileError, Flow, Label, Spec, Weights, kernel_calls, manifolds};
use crate::trainers::{FitError, History, Objective, Trainer};
use dfdx::nn::BuildOnDevice;
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use rand::Rng;
use std::path::Path;

/// A type that `flow!` writes, or a struct that it makes: what a [`Model`](super::Model) can be of.
pub trait Tabular<E: Element>: 'static {
    /// The built flow.
    type Flow: TableFlow<E>;

    /// Builds the flow with weights from this seed.
    ///
    /// # Errors
    /// The device fails.
    fn build(seed: u64) -> Result<Self::Flow, Error>;
}

impl<P, E: Element> Tabular<E> for P
where
    Cpu: Device<E>,
    P: BuildOnDevice<Cpu, E, Built: TableFlow<E>> + 'static,
{
    type Flow = Built<P, E>;
    fn build(seed: u64) -> Result<Self::Flow, Error> {
        Ok(P::try_build_on_device(&Cpu::seed_from_u64(seed))?)
    }
}

/// A built flow in plain rows: features of `FEATURES` numbers, points of `DIM` intrinsic coordinates, one row of features for each point.
pub trait TableFlow<E: Element>: Clone {
    /// Intrinsic coordinates of a point.
    const DIM: usize;
    /// Features that are given with each.
    const FEATURES: usize;

    /// Returns the manifolds, names and features that the flow takes.
    fn shape() -> FlowShape;

    /// ln p of each point.
    ///
    /// # Errors
    /// As of [`Flow::log_prob`].
    fn table_log_prob(&self, features: &[E], points: &[E]) -> Result<Vec<E>, Error>;

    /// `n` points for each row of features, or `n` in all where none are given.
    ///
    /// # Errors
    /// As of [`Flow::sample`].
    fn table_sample<G: Rng + ?Sized>(&self, features: &[E], n: usize, rng: &mut G) -> Result<Draws<E>, Error>;

    /// Starts near the points: see [`Flow::initialize_from`].
    ///
    /// # Errors
    /// There are no points.
    fn table_initialize(&mut self, points: &[E], seed: u64) -> Result<(), Error>;

    /// Maximum likelihood.
    ///
    /// # Errors
    /// As of [`Fit::run`](crate::Fit::run).
    fn table_fit(&mut self, features: &[E], points: &[E], trainer: Trainer<'_>) -> Result<History, FitError>;

    /// Maximum likelihood of a stream of batches of `N` coordinates and `C` features, which are those of the flow.
    ///
    /// # Errors
    /// As of [`Fit::run_stream`](crate::Fit::run_stream).
    #[doc(hidden)]
    fn table_fit_stream<const N: usize, const C: usize, T>(
        &mut self,
        stream: &mut T,
        validation: Option<&mut T>,
        trainer: Trainer<'_>,
    ) -> Result<History, FitError>
    where
        T: Stream<Batch = data::Rows<N, C, E>>;

    /// Saves the flow with one more entry in the header of its file.
    #[doc(hidden)]
    fn table_save(&self, path: &Path, entry: (&str, String)) -> Result<(), FileError>;

    /// Loads a flow and reads an entry of the header; if `read` fails, its message becomes the reason and nothing changes.
    #[doc(hidden)]
    fn table_load<T>(
        &mut self,
        path: &Path,
        key: &str,
        read: impl FnOnce(Option<&str>) -> Result<T, String>,
    ) -> Result<T, FileError>;
}

impl<S, W, E: Element> TableFlow<E> for Flow<S, W, E, Cpu>
where
    Cpu: Device<E>,
    S: Spec<Tag: Label>,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    const DIM: usize = S::Blocks::DIM;
    const FEATURES: usize = S::Features::COUNT;

    fn shape() -> FlowShape {
        let spaces = manifolds::<S>();
        let mut names: Vec<Option<String>> =
            <S::Tag as Label>::PARTS.iter().map(|name| name.map(String::from)).collect();
        names.resize(spaces.len(), None);
        FlowShape {
            spaces,
            names,
            features: S::Features::COUNT,
            dim: S::Blocks::DIM,
            embed_dim: S::Blocks::EMBED,
            check: |point, embedded| {
                let coordinates = if embedded { Coordinates::Embedded } else { Coordinates::Intrinsic };
                kernel_calls::check_point::<S>(point, coordinates)
            },
            embed: kernel_calls::embed::<S>,
            intrinsic: |given, point| {
                let mut embedded = vec![0.0; S::Blocks::EMBED];
                kernel_calls::project::<S>(given, &mut embedded);
                kernel_calls::intrinsic::<S>(&embedded, point);
            },
        }
    }

    fn table_log_prob(&self, features: &[E], points: &[E]) -> Result<Vec<E>, Error> {
        self.under(features).log_prob_rows(points)
    }

    fn table_sample<G: Rng + ?Sized>(&self, features: &[E], n: usize, rng: &mut G) -> Result<Draws<E>, Error> {
        self.under(features).sample_rows(n, rng)
    }

    fn table_initialize(&mut self, points: &[E], seed: u64) -> Result<(), Error> {
        self.initialize_from_rows(points, seed)
    }

    fn table_fit(&mut self, features: &[E], points: &[E], trainer: Trainer<'_>) -> Result<History, FitError> {
        self.fit_rows(features, points, Objective::LogProb, trainer)
    }

    fn table_fit_stream<const N: usize, const C: usize, T>(
        &mut self,
        stream: &mut T,
        validation: Option<&mut T>,
        trainer: Trainer<'_>,
    ) -> Result<History, FitError>
    where
        T: Stream<Batch = data::Rows<N, C, E>>,
    {
        self.fit_stream_of_rows(stream, validation, trainer)
    }

    fn table_save(&self, path: &Path, entry: (&str, String)) -> Result<(), FileError> {
        self.save_with(path, [entry])
    }

    fn table_load<T>(
        &mut self,
        path: &Path,
        key: &str,
        read: impl FnOnce(Option<&str>) -> Result<T, String>,
    ) -> Result<T, FileError> {
        self.load_with(path, |header| read(header.get(key).map(String::as_str)))
    }
}
