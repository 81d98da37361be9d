//! Fitting flows: the loss is the log-density.

use super::error::FitError;
use super::history::History;
use super::trainer::Trainer;
use crate::data::{Rows, Stream};
use crate::error::Error;
use crate::kernels::{Blocks, Coordinates, LogMean, LogMeanSummary};
use crate::layers::Letter;
use crate::module::{
    self, Element, FeatureSpec, Features, Flow, FlowSpec, Penalty, RowsOnTape, Spec, Traced, Weights, kernel_calls,
    structure,
};
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::tensor::{Cpu, Gradients, NoneTape};
use dfdx::tensor_ops::Device;
use std::borrow::Cow;

/// Says what is fitted: the flow's structure with all options, and what else the loss has.
fn described<'a, S: Spec>(trainer: Trainer<'a>, with: &str) -> Trainer<'a> {
    trainer.model(structure::<S>() + with, parts::<S>())
}

/// Lists the parts of a flow in words, in the order of its weights: layers with free parameters, networks.
fn parts<S: Spec>() -> Vec<(String, usize)> {
    let summary = kernel_calls::summary::<S>();
    let mut parts = Vec::new();
    parts.extend(summary.outer.map(|network| ("the network of all parameters".to_string(), network.weights)));
    for (k, block) in summary.blocks.into_iter().enumerate() {
        let manifold = format!("manifold {k} (`{}`)", block.manifold);
        match (block.network, block.given) {
            (None, 0) => {
                let layer = |(j, letter): (usize, &Letter)| {
                    (format!("layer {j} (`{}`) of {manifold}", letter.name), letter.params)
                };
                parts.extend(block.letters.iter().enumerate().map(layer));
            }
            _ => parts.push((format!("the network of {manifold}"), block.weights)),
        }
    }
    match summary.log_mean {
        Some(LogMeanSummary::Free) => parts.push(("the log-mean".into(), 1)),
        Some(LogMeanSummary::Separate(network)) => parts.push(("the network of the log-mean".into(), network.weights)),
        Some(LogMeanSummary::Joint) | None => {}
    }
    parts
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// Starts a fit near the data: Euclidean chains get offsets, widths and means from the mean and the quantiles of
    /// their coordinates (the last bias of a network that predicts them), the others keep their start.
    ///
    /// `points` holds intrinsic coordinates.
    ///
    /// # Errors
    /// There are no points, or one is not finite or not on its manifold; the parameters are given (`amortize` without
    /// `cond`).
    pub fn initialize_from<const N: usize>(&mut self, points: &[[E; N]], seed: u64) -> Result<(), Error> {
        if points.is_empty() {
            return Err(Error::Empty { argument: "points" });
        }
        if N != S::Blocks::DIM {
            return Err(Error::Length { argument: "points", expected: S::Blocks::DIM, found: N });
        }
        self.initialize_from_rows(points.as_flattened(), seed)
    }

    /// Does the same for plain rows, of as many numbers each as the flow has coordinates.
    pub(crate) fn initialize_from_rows(&mut self, points: &[E], seed: u64) -> Result<(), Error> {
        if points.is_empty() {
            return Err(Error::Empty { argument: "points" });
        }
        module::check_owns_parameters::<S::Blocks>()?;
        module::check_points::<S, E>(points, Coordinates::Intrinsic)?;
        let wide: Vec<f64> = points.iter().map(|x| x.widen()).collect();
        let mut weights: Vec<f64> = self.flat_weights().iter().map(|w| w.widen()).collect();
        kernel_calls::initial_from_data::<S>(seed, &wide, &mut weights);
        let weights: Vec<E> = weights.into_iter().map(E::narrow).collect();
        self.set_flat_weights(&weights)
    }
}

/// Gathers some rows of `width` numbers.
fn pick<E: Copy>(all: &[E], width: usize, rows: &[usize]) -> Vec<E> {
    rows.iter().flat_map(|row| all[row * width..][..width].iter().copied()).collect()
}

/// What a fit makes large at each point.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Objective {
    /// ln p.
    LogProb,
    /// ln p less the penalties of continuous flows.
    Penalised(Penalty),
}

impl Objective {
    /// How a description of the loss ends.
    fn words(self) -> String {
        match self {
            Objective::LogProb => String::new(),
            Objective::Penalised(penalty) => format!(" with {penalty:?}"),
        }
    }
}

/// The fits of any flow, whatever it is given, to plain rows: one row of features (if any are given) for each point.
impl<S: Spec, W, E: Element> Flow<S, W, E, Cpu>
where
    Cpu: Device<E>,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    /// Evaluates the objective on a tape that records the weights alone.
    fn objective(
        &self,
        [features, points]: [Cow<'_, [E]>; 2],
        objective: Objective,
        gradients: Gradients<E, Cpu>,
    ) -> Result<Traced<(usize,), E>, Error> {
        let density = self.under(features).on_tape(gradients)?;
        let rows = points.len() / S::Blocks::DIM;
        let points = RowsOnTape::<_, _, NoneTape>::plain(points, rows);
        match objective {
            Objective::LogProb => density.log_prob_in(points, Coordinates::Intrinsic),
            Objective::Penalised(penalty) => Ok(density.log_prob_penalised(points)?.penalised(penalty)),
        }
    }

    /// Fits to rows in memory.
    pub(crate) fn fit_rows(
        &mut self,
        features: &[E],
        points: &[E],
        objective: Objective,
        trainer: Trainer<'_>,
    ) -> Result<History, FitError> {
        let (dim, count) = (S::Blocks::DIM, <S::Features as FeatureSpec>::COUNT);
        let trainer = described::<S>(trainer, &objective.words()).data([features, points]);
        trainer.run(self, points.len() / dim, |flow, rows, gradients| {
            let picked = [pick(features, count, rows).into(), pick(points, dim, rows).into()];
            flow.objective(picked, objective, gradients)
        })
    }

    /// Fits to a stream whose numbers of coordinates and features have been found to be those of the flow.
    pub(crate) fn fit_stream_of_rows<const N: usize, const C: usize, T>(
        &mut self,
        stream: &mut T,
        validation: Option<&mut T>,
        trainer: Trainer<'_>,
    ) -> Result<History, FitError>
    where
        T: Stream<Batch = Rows<N, C, E>>,
    {
        described::<S>(trainer, "").run_stream(self, stream, validation, |flow, rows, gradients| {
            let rows = [rows.features.as_flattened().into(), rows.points.as_flattened().into()];
            flow.objective(rows, Objective::LogProb, gradients)
        })
    }
}

impl<Tag: 'static, const N: usize, const M: usize, B, W, E: Element> Flow<FlowSpec<Tag, (), N, M, B>, W, E, Cpu>
where
    Cpu: Device<E>,
    B: Blocks,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    /// Fits the density to points in intrinsic coordinates. The log-mean of a flow with `poisson` becomes that of the
    /// number of points, which is the maximum of its extended likelihood.
    ///
    /// # Errors
    /// As [`Fit::run`](crate::Fit::run).
    pub fn fit<'a>(&mut self, points: &[[E; N]], fit: impl Into<Trainer<'a>>) -> Result<History, FitError> {
        let history = self.fit_rows(&[], points.as_flattened(), Objective::LogProb, fit.into())?;
        if self.summary().log_mean == Some(LogMeanSummary::Free) {
            let mut weights = self.flat_weights();
            if let Some(log_mean) = weights.last_mut() {
                *log_mean = E::narrow((points.len() as f64).ln());
            }
            // As many as were read.
            let _ = self.set_flat_weights(&weights);
        }
        Ok(history)
    }

    /// Fits the density to a stream of batches of points, of which one is held at a time; with a second stream for
    /// validation, where there is one. A log-mean (`poisson`) stays as it is.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Fit, flow, data::{DataError, Rows, Stream}};
    ///
    /// /// Numbers made as they are asked for, `left` batches a pass.
    /// struct Made {
    ///     left: usize,
    /// }
    /// impl Stream for Made {
    ///     type Batch = Rows<1, 0>;
    ///     fn start(&mut self, _epoch: usize, _seed: u64) -> Result<(), DataError> {
    ///         self.left = 10;
    ///         Ok(())
    ///     }
    ///     fn next_batch(&mut self) -> Result<Option<Rows<1, 0>>, DataError> {
    ///         let left = self.left;
    ///         self.left = left.saturating_sub(1);
    ///         let points: Vec<[f64; 1]> = (0..32).map(|i| [((i + 32 * left) as f64).sin()]).collect();
    ///         Ok((left > 0).then(|| Rows { features: vec![[]; points.len()], points }))
    ///     }
    /// }
    ///
    /// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
    /// let fit = Fit { epochs: 3, ..Fit::default() };
    /// let history = pdf.fit_stream(&mut Made { left: 0 }, Some(&mut Made { left: 0 }), &fit)?;
    /// assert!(history.epochs[2].validation < history.epochs[0].validation);
    /// # Ok::<(), flow_runtime::FitError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Fit::run_stream`](crate::Fit::run_stream).
    pub fn fit_stream<'a, S>(
        &mut self,
        stream: &mut S,
        validation: Option<&mut S>,
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, FitError>
    where
        S: Stream<Batch = Rows<N, 0, E>>,
    {
        self.fit_stream_of_rows(stream, validation, fit.into())
    }

    /// Does the same as [`fit`](Flow::fit) of a density with continuous flows (letter `c`), but maximises ln p less
    /// these penalties (arXiv:2002.02798). Losses of the history include them.
    ///
    /// # Errors
    /// As [`Fit::run`](crate::Fit::run).
    pub fn fit_penalised<'a>(
        &mut self,
        points: &[[E; N]],
        penalty: Penalty,
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, FitError> {
        self.fit_rows(&[], points.as_flattened(), Objective::Penalised(penalty), fit.into())
    }
}

impl<Tag: 'static, const C: usize, const N: usize, const M: usize, B, W, E: Element>
    Flow<FlowSpec<Tag, Features<C>, N, M, B>, W, E, Cpu>
where
    Cpu: Device<E>,
    B: Blocks,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    /// Fits the conditional density to points in intrinsic coordinates, one row of features each. A log-mean
    /// (`poisson`) has no part in this: see [`fit_counts`](Flow::fit_counts).
    ///
    /// # Errors
    /// As [`Fit::run`](crate::Fit::run); features and points have different numbers of rows.
    pub fn fit<'a>(
        &mut self,
        features: &[[E; C]],
        points: &[[E; N]],
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, FitError> {
        same_rows(features.len(), points.len())?;
        self.fit_rows(features.as_flattened(), points.as_flattened(), Objective::LogProb, fit.into())
    }

    /// Fits the conditional density to a stream of batches of features and points, of which one is held at a time; with
    /// a second stream for validation, where there is one.
    ///
    /// # Errors
    /// As [`Fit::run_stream`](crate::Fit::run_stream); a batch has different numbers of features and points.
    pub fn fit_stream<'a, S>(
        &mut self,
        stream: &mut S,
        validation: Option<&mut S>,
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, FitError>
    where
        S: Stream<Batch = Rows<N, C, E>>,
    {
        self.fit_stream_of_rows(stream, validation, fit.into())
    }

    /// Does the same as [`fit`](Flow::fit) of a density with continuous flows (letter `c`), but maximises ln p less
    /// these penalties (arXiv:2002.02798). Losses of the history include them.
    ///
    /// # Errors
    /// As [`fit`](Flow::fit).
    pub fn fit_penalised<'a>(
        &mut self,
        features: &[[E; C]],
        points: &[[E; N]],
        penalty: Penalty,
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, FitError> {
        same_rows(features.len(), points.len())?;
        self.fit_rows(features.as_flattened(), points.as_flattened(), Objective::Penalised(penalty), fit.into())
    }

    /// Fits density and log-mean of a flow with `poisson` together: the largest extended likelihood. Row r of the
    /// features has `counts[r]` points, and `points` holds those of the first row first, then those of the second, and
    /// so on.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Fit, flow};
    ///
    /// let mut pdf = Cpu::default().build_module::<flow!(e1 : t | cond 1, hidden 8, poisson), f64>();
    /// let features: Vec<[f64; 1]> = (0..40).map(|i| [0.05 * i as f64 - 1.0]).collect();
    /// let counts: Vec<usize> = (0..40).map(|i| i / 10).collect();
    /// let points: Vec<[f64; 1]> = (0..counts.iter().sum()).map(|i| [(i as f64).sin()]).collect();
    /// let history = pdf.fit_counts(&features, &points, &counts, &Fit { epochs: 2, ..Fit::default() })?;
    /// assert_eq!(history.epochs.len(), 2);
    /// # Ok::<(), flow_runtime::FitError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Fit::run`](crate::Fit::run); `counts` has another length than the features, or does not add up to the
    /// number of points.
    pub fn fit_counts<'a>(
        &mut self,
        features: &[[E; C]],
        points: &[[E; N]],
        counts: &[usize],
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, FitError>
    where
        B: LogMean,
    {
        same_rows(features.len(), counts.len())?;
        let (mut starts, mut counted) = (Vec::with_capacity(counts.len()), 0_usize);
        for count in counts {
            starts.push(counted);
            counted = counted.saturating_add(*count);
        }
        if counted != points.len() {
            let message = Error::Counts { counted, found: points.len() }.to_string();
            return Err(FitError::Setting { setting: "counts", message });
        }
        let features = features.as_flattened();
        let widened: Vec<E> = counts.iter().map(|count| E::narrow(*count as f64)).collect();
        let trainer = described::<FlowSpec<Tag, Features<C>, N, M, B>>(fit.into(), " with counts");
        let trainer = trainer.data([features, points.as_flattened(), &widened]);
        trainer.run(self, counts.len(), |flow, rows, gradients| {
            let of = |row: &usize| &points[starts[*row]..][..counts[*row]];
            let x: Vec<[E; N]> = rows.iter().flat_map(of).copied().collect();
            let counts: Vec<usize> = rows.iter().map(|row| counts[*row]).collect();
            flow.under(pick(features, C, rows)).on_tape(gradients)?.extended_log_likelihood(&x, &counts)
        })
    }
}

/// One row of features for each point.
fn same_rows(features: usize, points: usize) -> Result<(), FitError> {
    if features == points {
        return Ok(());
    }
    let message = format!("{features} rows of features for {points} points: one each");
    Err(FitError::Setting { setting: "features", message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow;
    use dfdx::nn::BuildOnDevice;

    /// All weights belong to a part.
    fn of<S: Spec + BuildOnDevice<Cpu, f64, Built = Flow<S, W, f64, Cpu>>, W: Weights<f64>>() -> Vec<(String, usize)> {
        let parts = parts::<S>();
        let weights = S::try_build_on_device(&Cpu::default()).unwrap().flat_weights().len();
        assert_eq!(parts.iter().map(|(_, count)| count).sum::<usize>(), weights);
        parts
    }

    #[test]
    fn parts_are_named_in_the_order_of_the_weights() {
        let parts = of::<flow!(e1 + s2 : gt(num_kde = 2) + f | poisson), _>();
        let [(g, g_count), (t, t_count), (f, _), (log_mean, 1)] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((g.as_str(), *g_count), ("layer 0 (`g`) of manifold 0 (`e1`)", 7));
        assert_eq!((t.as_str(), *t_count), ("layer 1 (`t`) of manifold 0 (`e1`)", 2));
        assert_eq!([f.as_str(), log_mean], ["the network of manifold 1 (`s2`)", "the log-mean"]);
        let parts = of::<flow!(e1 : t | cond 2, poisson 4), _>();
        assert_eq!(parts[1].0, "the network of the log-mean", "{parts:?}");
        of::<flow!(e1 + e1 : t + t | cond 2, amortize 4, hidden 3), _>();
    }
}
