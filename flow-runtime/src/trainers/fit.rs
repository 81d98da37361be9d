//! The loop: minibatches, validation, early stopping, the best weights kept.

use super::adam::{Adam, AdamState};
use super::flat::{flat_gradient, flat_values, set_flat_values, tensor_names};
use super::schedule::Schedule;
use crate::error::Error;
use crate::kernels::{At, Blocks, LogMean, LogMeanSummary};
use crate::module::{Conditional, Element, Features, Flow, Penalty, Spec, Unconditional, Weights};
use dfdx::nn::ZeroGrads;
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::shapes::Const;
use dfdx::tensor::{Cpu, CpuError, Gradients, NoneTape, OwnedTape, SplitTape, Tensor, TensorFromVec, Trace};
use dfdx::tensor_ops::{Backward, Device, MeanTo};
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How to fit: minibatch maximum likelihood.
///
/// A flow alone is fitted by its own `fit`; anything around it, such as an encoder that makes the features, by [`Fit::run`].
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Adam, Fit, flow};
///
/// // y is the sine of x, with noise.
/// let x: Vec<[f64; 1]> = (0..400).map(|i| [i as f64 * 0.01]).collect();
/// let y: Vec<[f64; 1]> = (0..400).map(|i| [f64::sin(i as f64 * 0.01) + 0.1 * f64::sin(i as f64 * 97.0)]).collect();
///
/// let mut pdf = Cpu::default().build_module::<flow!(e1 : t | cond 1, hidden 16), f64>();
/// pdf.initialize_from(&y, 1)?;
/// let fit = Fit { epochs: 20, batch: 50, optimizer: Adam { rate: 0.01, ..Adam::default() }, ..Fit::default() };
/// let history = pdf.fit(&x, &y, &fit)?;
/// assert!(history.best_loss < history.epochs[0].training);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fit {
    /// Passes over the training rows, at most.
    pub epochs: usize,
    /// Rows of a minibatch.
    pub batch: usize,
    /// The optimiser.
    pub optimizer: Adam,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// The share of rows kept for validation; 0: none, the training loss decides.
    pub validation: f64,
    /// Stop after this many epochs without a better validation loss; `None`: never.
    pub patience: Option<usize>,
    /// Scale gradients down to this norm; `None`: leave them.
    pub clip: Option<f64>,
    /// Seed of the split and the shuffles.
    pub seed: u64,
    /// Show a progress bar on standard error.
    pub progress: bool,
}

impl Default for Fit {
    fn default() -> Self {
        Fit {
            epochs: 100,
            batch: 256,
            optimizer: Adam::default(),
            schedule: Schedule::Constant,
            validation: 0.1,
            patience: Some(20),
            clip: Some(10.0),
            seed: 0,
            progress: false,
        }
    }
}

/// What happened in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Mean negative log-density over the training rows, as met during the epoch.
    pub training: f64,
    /// Mean negative log-density over the validation rows after the epoch.
    pub validation: Option<f64>,
    /// Learning rate at the end of the epoch.
    pub rate: f64,
    /// Largest gradient norm of the epoch, before clipping.
    pub gradient: f64,
    /// Seconds.
    pub seconds: f64,
}

/// What happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The epochs.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept, counted from 0.
    pub best: usize,
    /// Its loss: of the validation rows, or of the training rows where there are none.
    pub best_loss: f64,
    /// Whether the run ended early.
    pub stopped_early: bool,
    /// The optimiser's state at the end of the run.
    pub optimizer: AdamState,
}

/// An error of a fit. The model then has the best weights so far (those of the start if no epoch was finished).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A setting does not make sense.
    #[error("setting `{setting}` of the fit: {message}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and the way out.
        message: String,
    },
    /// A density failed: `source` names row of the data, manifold and layer.
    #[error("epoch {epoch}, step {step}: {source}; the best weights so far are kept")]
    Step {
        /// The epoch, counted from 0.
        epoch: usize,
        /// The step of the run, counted from 0.
        step: usize,
        /// What happened.
        source: Error,
    },
    /// The loss function returned a number that is not finite.
    #[error("epoch {epoch}, step {step}: the log-density of row {row} is {value}; the best weights so far are kept")]
    Loss {
        /// The epoch.
        epoch: usize,
        /// The step of the run.
        step: usize,
        /// The row of the data.
        row: usize,
        /// The log-density.
        value: f64,
    },
    /// A gradient is not finite.
    #[error(
        "epoch {epoch}, step {step}: the gradient of tensor `{tensor}` is not finite; lower the learning rate or clip gradients; the best weights so far are kept"
    )]
    Gradient {
        /// The epoch.
        epoch: usize,
        /// The step of the run.
        step: usize,
        /// The tensor.
        tensor: String,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

impl From<CpuError> for FitError {
    fn from(error: CpuError) -> Self {
        FitError::Device(error.to_string())
    }
}

/// Log-densities of a minibatch, on the tape.
pub type TracedLogProb<E> = Tensor<(usize,), E, Cpu, OwnedTape<E, Cpu>>;

impl Fit {
    fn check(&self, rows: usize) -> Result<(), FitError> {
        let refuse = |setting, message: String| Err(FitError::Setting { setting, message });
        if rows == 0 {
            return refuse("points", "there are no rows to fit".into());
        }
        if self.batch == 0 {
            return refuse("batch", "0 rows a minibatch: at least 1".into());
        }
        if !(0.0..1.0).contains(&self.validation) {
            return refuse("validation", format!("{} is not a share: from 0 to below 1", self.validation));
        }
        if !(self.optimizer.rate > 0.0 && self.optimizer.rate.is_finite()) {
            return refuse("optimizer.rate", format!("{}: a learning rate is above 0", self.optimizer.rate));
        }
        if self.clip.is_some_and(|c| c.is_nan() || c <= 0.0) {
            return refuse("clip", "the norm to clip at is above 0; `None` does not clip".into());
        }
        let training = rows - self.validation_rows(rows);
        if training == 0 {
            return refuse("validation", format!("{rows} rows leave none to train on"));
        }
        Ok(())
    }

    fn validation_rows(&self, rows: usize) -> usize {
        (rows as f64 * self.validation).round() as usize
    }

    /// Fits any dfdx module: a flow, an encoder with a flow `(Encoder, Flow)`, or more.
    ///
    /// `log_prob(model, rows, gradients)` returns the log-density of each of these rows of the data, on a tape that records into
    /// `gradients`. The model ends with its best weights: those of the epoch with the smallest validation loss.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Fit, flow};
    ///
    /// let dev = Cpu::default();
    /// let mut model = (
    ///     dev.build_module::<(Linear<3, 8>, Tanh, Linear<8, 2>), f64>(),
    ///     dev.build_module::<flow!(e1 : gt | cond 2, hidden 8), f64>(),
    /// );
    /// let raw: Vec<[f64; 3]> = (0..60).map(|i| [0.1, 0.2, 0.3].map(|f| f64::cos(f * i as f64))).collect();
    /// let y: Vec<[f64; 1]> = raw.iter().map(|r| [r[0] * r[1]]).collect();
    ///
    /// let fit = Fit { epochs: 2, batch: 20, ..Fit::default() };
    /// let history = fit.run(&mut model, raw.len(), |(encoder, flow), rows, gradients| {
    ///     let inputs = rows.iter().flat_map(|r| raw[*r]).collect();
    ///     let targets: Vec<[f64; 1]> = rows.iter().map(|r| y[*r]).collect();
    ///     let inputs = dev.tensor_from_vec(inputs, (rows.len(), Const::<3>)).traced(gradients);
    ///     flow.given(encoder.forward(inputs))?.log_prob(&targets)
    /// })?;
    /// assert_eq!(history.epochs.len(), 2);
    /// # Ok::<(), flow_runtime::FitError>(())
    /// ```
    ///
    /// # Errors
    /// A setting makes no sense, a density fails, a loss or a gradient is not finite: the error names step, row, manifold and layer,
    /// and the model has the best weights so far.
    pub fn run<E, M, F>(&self, model: &mut M, rows: usize, log_prob: F) -> Result<History, FitError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
        F: Fn(&M, &[usize], Gradients<E, Cpu>) -> Result<TracedLogProb<E>, Error>,
    {
        self.check(rows)?;
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut order: Vec<usize> = (0..rows).collect();
        order.shuffle(&mut rng);
        let validation = order.split_off(rows - self.validation_rows(rows));
        let mut run = Run {
            fit: self,
            best: flat_values(model)?,
            history: History { best_loss: f64::INFINITY, ..History::default() },
        };
        let outcome = run.epochs(model, order, &validation, &mut rng, &log_prob);
        set_flat_values(model, &run.best)?;
        outcome.map(|()| run.history)
    }
}

/// A run in progress.
struct Run<'a, E> {
    fit: &'a Fit,
    best: Vec<E>,
    history: History,
}

impl<E: Element> Run<'_, E>
where
    Cpu: Device<E>,
{
    fn epochs<M, F>(
        &mut self,
        model: &mut M,
        mut order: Vec<usize>,
        validation: &[usize],
        rng: &mut StdRng,
        log_prob: &F,
    ) -> Result<(), FitError>
    where
        M: TensorCollection<E, Cpu>,
        F: Fn(&M, &[usize], Gradients<E, Cpu>) -> Result<TracedLogProb<E>, Error>,
    {
        let per_epoch = order.len().div_ceil(self.fit.batch);
        let steps = per_epoch * self.fit.epochs;
        let bar = if self.fit.progress { ProgressBar::new(steps as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} steps {per_sec} {eta} left  {msg}") {
            bar.set_style(style);
        }
        for epoch in 0..self.fit.epochs {
            let start = Instant::now();
            order.shuffle(rng);
            let (mut sum, mut largest, mut rate) = (0.0, 0.0_f64, 0.0);
            for (i, batch) in order.chunks(self.fit.batch).enumerate() {
                let step = epoch * per_epoch + i;
                let factor = self.fit.schedule.factor(step, steps);
                let (loss, norm) = self.step(model, batch, [epoch, step], factor, log_prob)?;
                sum += loss * batch.len() as f64;
                largest = largest.max(norm);
                rate = self.fit.optimizer.rate * factor;
                bar.inc(1);
            }
            let training = sum / order.len() as f64;
            let at = [epoch, (epoch + 1) * per_epoch - 1];
            let validated =
                if validation.is_empty() { None } else { Some(self.evaluate(model, validation, at, log_prob)?) };
            let loss = validated.unwrap_or(training);
            if loss < self.history.best_loss {
                self.history.best_loss = loss;
                self.history.best = epoch;
                self.best = flat_values(model)?;
            }
            let seconds = start.elapsed().as_secs_f64();
            bar.set_message(match validated {
                Some(v) => format!("epoch {epoch}: loss {training:.4}, validation {v:.4}"),
                None => format!("epoch {epoch}: loss {training:.4}"),
            });
            self.history.epochs.push(Epoch { training, validation: validated, rate, gradient: largest, seconds });
            if self.fit.patience.is_some_and(|p| epoch - self.history.best >= p) {
                self.history.stopped_early = true;
                break;
            }
        }
        bar.finish();
        Ok(())
    }

    /// One minibatch; returns loss and gradient norm.
    fn step<M, F>(
        &mut self,
        model: &mut M,
        batch: &[usize],
        [epoch, step]: [usize; 2],
        factor: f64,
        log_prob: &F,
    ) -> Result<(f64, f64), FitError>
    where
        M: TensorCollection<E, Cpu>,
        F: Fn(&M, &[usize], Gradients<E, Cpu>) -> Result<TracedLogProb<E>, Error>,
    {
        let (density, tape) =
            at_rows(log_prob(model, batch, model.try_alloc_grads()?), batch, [epoch, step])?.split_tape();
        let loss = mean(&density.as_vec(), batch, [epoch, step])?;
        let traced = dfdx::tensor::PutTape::put_tape(density, tape);
        let mut gradients = traced.try_mean::<(), dfdx::shapes::Axis<0>>()?.try_backward()?;
        // The tape differentiated the mean log-density; the loss is its negative.
        let mut gradient: Vec<E> = flat_gradient(model, &mut gradients)?.into_iter().map(|g| -g).collect();
        let norm = gradient.iter().map(|g| g.widen() * g.widen()).sum::<f64>().sqrt();
        if !norm.is_finite() {
            let tensor = first_bad(&tensor_names(model)?, &gradient);
            return Err(FitError::Gradient { epoch, step, tensor });
        }
        if let Some(clip) = self.fit.clip
            && norm > clip
        {
            gradient.iter_mut().for_each(|g| *g *= E::narrow(clip / norm));
        }
        let mut values = flat_values(model)?;
        self.fit.optimizer.update(&mut self.history.optimizer, &mut values, &gradient, factor);
        set_flat_values(model, &values)?;
        Ok((loss, norm))
    }

    fn evaluate<M, F>(&self, model: &M, rows: &[usize], at: [usize; 2], log_prob: &F) -> Result<f64, FitError>
    where
        M: TensorCollection<E, Cpu>,
        F: Fn(&M, &[usize], Gradients<E, Cpu>) -> Result<TracedLogProb<E>, Error>,
    {
        let mut sum = 0.0;
        for batch in rows.chunks(self.fit.batch.max(1024)) {
            let density = at_rows(log_prob(model, batch, Gradients::leaky()), batch, at)?;
            sum += mean(&density.split_tape().0.as_vec(), batch, at)? * batch.len() as f64;
        }
        Ok(sum / rows.len() as f64)
    }
}

/// Turns a row of the minibatch into a row of the data.
fn at_rows<T>(result: Result<T, Error>, batch: &[usize], [epoch, step]: [usize; 2]) -> Result<T, FitError> {
    result.map_err(|source| {
        let row = source.row().and_then(|row| batch.get(row).copied());
        FitError::Step {
            epoch,
            step,
            source: match row {
                Some(row) => source.at_row(row),
                None => source,
            },
        }
    })
}

/// The mean negative log-density.
fn mean<E: Element>(density: &[E], batch: &[usize], [epoch, step]: [usize; 2]) -> Result<f64, FitError> {
    if let Some(i) = density.iter().position(|d| !d.widen().is_finite()) {
        let row = batch.get(i).copied().unwrap_or(i);
        return Err(FitError::Loss { epoch, step, row, value: density[i].widen() });
    }
    Ok(-density.iter().map(|d| d.widen()).sum::<f64>() / density.len() as f64)
}

fn first_bad<E: Element>(names: &[(String, usize)], gradient: &[E]) -> String {
    let mut rest = gradient;
    for (name, len) in names {
        let (own, next) = rest.split_at(*len);
        if own.iter().any(|g| !g.widen().is_finite()) {
            return name.clone();
        }
        rest = next;
    }
    String::new()
}

fn rows_of<const N: usize, E: Element>(
    data: &[[E; N]],
    rows: &[usize],
) -> Result<Tensor<(usize, Const<N>), E, Cpu>, Error> {
    let numbers: Vec<E> = rows.iter().flat_map(|row| data[*row]).collect();
    Ok(Cpu::default().try_tensor_from_vec(numbers, (rows.len(), Const))?)
}

impl<S: Spec, W: Weights<E>, E: Element> Flow<S, W, E, Cpu> {
    /// Starts a fit near the data: Euclidean chains get offsets, widths and means from the mean and the quantiles of their
    /// coordinates (the last bias of a network that predicts them), the others keep their start.
    ///
    /// `points` holds intrinsic coordinates.
    ///
    /// # Errors
    /// There are no points, or one is not finite or not on its manifold.
    pub fn initialize_from<const N: usize>(&mut self, points: &[[E; N]], seed: u64) -> Result<(), Error> {
        if points.is_empty() {
            return Err(Error::Empty { argument: "points" });
        }
        if N != S::Blocks::DIM {
            return Err(Error::Length { argument: "points", expected: S::Blocks::DIM, found: N });
        }
        self.initialize_from_rows(points.as_flattened(), seed)
    }

    /// The same for plain rows, as many numbers each as the flow has coordinates.
    pub(crate) fn initialize_from_rows(&mut self, points: &[E], seed: u64) -> Result<(), Error> {
        if points.is_empty() {
            return Err(Error::Empty { argument: "points" });
        }
        crate::module::check_points::<S::Blocks, E>(points, crate::kernels::Coordinates::Intrinsic)?;
        let wide: Vec<f64> = points.iter().map(|x| x.widen()).collect();
        let mut weights: Vec<f64> = self.flat_weights().iter().map(|w| w.widen()).collect();
        let at = At::start::<S::Blocks>(<S::Features as crate::module::FeatureSpec>::COUNT);
        S::Blocks::initial_from_data(&mut StdRng::seed_from_u64(seed), at, &wide, S::Blocks::DIM, &mut weights);
        let weights: Vec<E> = weights.into_iter().map(E::narrow).collect();
        self.set_flat_weights(&weights)
    }
}

impl<Tag: 'static, const N: usize, const M: usize, B, W, E: Element> Flow<Unconditional<Tag, N, M, B>, W, E, Cpu>
where
    Cpu: Device<E>,
    B: Blocks,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    /// Fits the density to points in intrinsic coordinates. The log-mean of a flow with `poisson` becomes that of the number of points, which is the maximum
    /// of its extended likelihood.
    ///
    /// # Errors
    /// As [`Fit::run`].
    pub fn fit(&mut self, points: &[[E; N]], fit: &Fit) -> Result<History, FitError> {
        let history = fit
            .run(self, points.len(), |flow, rows, gradients| flow.log_prob(rows_of(points, rows)?.traced(gradients)))?;
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

    /// [`fit`](Flow::fit) of a density with continuous flows (letter `c`) that maximises ln p less these penalties (arXiv:2002.02798). Losses of the history
    /// include them.
    ///
    /// # Errors
    /// As [`Fit::run`].
    pub fn fit_penalised(&mut self, points: &[[E; N]], penalty: Penalty, fit: &Fit) -> Result<History, FitError> {
        fit.run(self, points.len(), |flow, rows, gradients| {
            Ok(flow.log_prob_regularised(rows_of(points, rows)?.traced(gradients))?.penalised(penalty))
        })
    }
}

impl<Tag: 'static, const C: usize, const N: usize, const M: usize, B, W, E: Element>
    Flow<Conditional<Tag, Features<C>, N, M, B>, W, E, Cpu>
where
    Cpu: Device<E>,
    B: Blocks,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    /// Fits the conditional density to points in intrinsic coordinates, one row of features each. A log-mean (`poisson`) has no part in this:
    /// see [`fit_counts`](Flow::fit_counts).
    ///
    /// # Errors
    /// As [`Fit::run`]; features and points have different numbers of rows.
    pub fn fit(&mut self, features: &[[E; C]], points: &[[E; N]], fit: &Fit) -> Result<History, FitError> {
        same_rows(features.len(), points.len())?;
        fit.run(self, points.len(), |flow, rows, gradients| {
            let x: Tensor<_, E, Cpu, NoneTape> = rows_of(points, rows)?;
            flow.given(rows_of(features, rows)?.traced(gradients))?.log_prob(x)
        })
    }

    /// [`fit`](Flow::fit) of a density with continuous flows (letter `c`) that maximises ln p less these penalties (arXiv:2002.02798). Losses of the history
    /// include them.
    ///
    /// # Errors
    /// As [`fit`](Flow::fit).
    pub fn fit_penalised(
        &mut self,
        features: &[[E; C]],
        points: &[[E; N]],
        penalty: Penalty,
        fit: &Fit,
    ) -> Result<History, FitError> {
        same_rows(features.len(), points.len())?;
        fit.run(self, points.len(), |flow, rows, gradients| {
            let x: Tensor<_, E, Cpu, NoneTape> = rows_of(points, rows)?;
            let density = flow.given(rows_of(features, rows)?.traced(gradients))?;
            Ok(density.log_prob_regularised(x)?.penalised(penalty))
        })
    }
}

impl<Tag: 'static, const C: usize, const N: usize, const M: usize, B, W, E: Element>
    Flow<Conditional<Tag, Features<C>, N, M, B>, W, E, Cpu>
where
    Cpu: Device<E>,
    B: LogMean,
    W: Weights<E> + TensorCollection<E, Cpu>,
{
    /// Fits density and log-mean of a flow with `poisson` together: the largest extended likelihood. Row r of the features has `counts[r]` points, and
    /// `points` holds those of the first row first, then those of the second, and so on.
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
    /// As [`Fit::run`]; `counts` has another length than the features, or does not add up to the number of points.
    pub fn fit_counts(
        &mut self,
        features: &[[E; C]],
        points: &[[E; N]],
        counts: &[usize],
        fit: &Fit,
    ) -> Result<History, FitError> {
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
        fit.run(self, features.len(), |flow, rows, gradients| {
            let of = |row: &usize| &points[starts[*row]..][..counts[*row]];
            let x: Vec<[E; N]> = rows.iter().flat_map(of).copied().collect();
            let counts: Vec<usize> = rows.iter().map(|row| counts[*row]).collect();
            flow.given(rows_of(features, rows)?.traced(gradients))?.extended_log_likelihood(&x, &counts)
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
