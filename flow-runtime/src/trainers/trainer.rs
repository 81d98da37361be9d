//! A fit with its callbacks: what `Fit` says, and what cannot stand in a file.

use super::batch::Batch;
use super::error::FitError;
use super::event::{Control, Event};
use super::history::History;
use super::run::{Described, Run, Watcher};
use super::settings::Fit;
use super::source::{ShuffledRows, Source, Streamed};
use crate::data::Stream;
use crate::error::Error;
use crate::module::{Element, Traced};
use core::any::type_name;
use core::fmt;
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::tensor::{Cpu, Gradients};
use dfdx::tensor_ops::Device;
use std::path::PathBuf;

/// A [`Fit`] with callbacks, validation rows of one's own, or a step to replay. Wherever a fit is asked for, one of
/// these can be given.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Fit, flow, trainers::{Control, Event}};
///
/// let data: Vec<[f64; 1]> = (0..100).map(|i| [(i as f64).sin()]).collect();
/// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let fit = Fit { epochs: 50, ..Fit::default() };
/// let mut losses = Vec::new();
/// // Keep the losses of all steps; stop soon. The last twenty rows are for validation.
/// let watched = fit.validate_on(80..100).watch(|event| match event {
///     Event::Step { loss, .. } => {
///         losses.push(*loss);
///         Control::Continue
///     }
///     Event::Epoch { index: 4, .. } => Control::Stop,
///     _ => Control::Continue,
/// });
/// let history = pdf.fit(&data, watched)?;
/// assert!(history.stopped_early && history.epochs.len() == 5);
/// assert_eq!(losses.len(), 5);
/// # Ok::<(), flow_runtime::FitError>(())
/// ```
#[must_use = "nothing is fitted before it is run"]
pub struct Trainer<'a> {
    fit: &'a Fit,
    watchers: Vec<Watcher<'a>>,
    validation: Option<Vec<usize>>,
    replay: Option<PathBuf>,
    /// The model and the data in words, where more is known of them than their type and their number of rows.
    model: Option<String>,
    parts: Option<Vec<(String, usize)>>,
    data: Option<String>,
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trainer { fit, watchers, validation, replay, .. } = self;
        let mut shown = f.debug_struct("Trainer");
        shown.field("fit", fit).field("watchers", &watchers.len()).field("validation", validation);
        shown.field("replay", replay).finish_non_exhaustive()
    }
}

impl<'a> From<&'a Fit> for Trainer<'a> {
    fn from(fit: &'a Fit) -> Self {
        Trainer { fit, watchers: Vec::new(), validation: None, replay: None, model: None, parts: None, data: None }
    }
}

impl<'a> Trainer<'a> {
    /// Adds a callback. It sees all that happens, in order, and answers whether to go on.
    pub fn watch<F: FnMut(&Event<'_>) -> Control + 'a>(mut self, callback: F) -> Self {
        self.watchers.push(Box::new(callback));
        self
    }

    /// Keeps these rows of the data for validation, in place of the share that [`Fit::validation`] says. Streams have a
    /// stream for it.
    pub fn validate_on(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        self.validation = Some(rows.into_iter().collect());
        self
    }

    /// Only makes the step that a file holds, with the weights, the rows and the seed that it had, and changes nothing
    /// by it: the error of a fit names such a file ([`StepLocation::replay`](super::StepLocation::replay)), and any
    /// checkpoint is one. Gives the same error again; without one, callbacks see the step. The model then has the
    /// weights before the step.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Fit, FitError, flow, trainers::Checkpointing};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let run = folder.path().join("run");
    /// let mut data: Vec<[f64; 1]> = (0..100).map(|i| [(i as f64).sin()]).collect();
    /// data[42] = [f64::NAN];
    /// let fit = Fit { checkpoint: Some(Checkpointing::new(&run)), ..Fit::default() };
    /// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
    /// let Err(FitError::Step { at, source }) = pdf.fit(&data, &fit) else { panic!() };
    /// assert_eq!(source.row(), Some(42));
    ///
    /// // Later, elsewhere:
    /// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
    /// let Err(FitError::Step { source: again, .. }) = pdf.fit(&data, fit.replay(at.replay.unwrap())) else { panic!() };
    /// assert_eq!(again.to_string(), source.to_string());
    /// ```
    pub fn replay(mut self, file: impl Into<PathBuf>) -> Self {
        self.replay = Some(file.into());
        self
    }

    /// Says what the model is, in one line and part by part: checkpoints of another one are refused, and errors name
    /// parts.
    pub(super) fn model(mut self, name: String, parts: Vec<(String, usize)>) -> Self {
        (self.model, self.parts) = (Some(name), Some(parts));
        self
    }

    /// Takes the data into what checkpoints know, where there are any.
    pub(super) fn data<'d, T: Element>(mut self, parts: impl IntoIterator<Item = &'d [T]>) -> Self {
        if self.fit.checkpoint.is_some() || self.replay.is_some() {
            let mut hash = crc32fast::Hasher::new();
            for part in parts {
                part.iter().for_each(|x| hash.update(&x.widen().to_le_bytes()));
            }
            self.data = Some(format!("checksum {:08x}", hash.finalize()));
        }
        self
    }

    /// [`Fit::run`].
    ///
    /// # Errors
    /// As [`Fit::run`].
    pub fn run<E, M, F>(mut self, model: &mut M, rows: usize, log_prob: F) -> Result<History, FitError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
        F: Fn(&M, &Batch<'_, [usize]>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let Fit { batch, seed, .. } = *self.fit;
        self.fit.check()?;
        let held = self.fit.check_rows(rows, self.validation.as_deref())?;
        let mut data = format!("{rows} rows, {held} for validation");
        if let Some(given) = &self.validation {
            let bytes: Vec<u8> = given.iter().flat_map(|row| (*row as u64).to_le_bytes()).collect();
            data += &format!(" (checksum {:08x})", crc32fast::hash(&bytes));
        }
        data.extend(self.data.take().map(|checksum| format!(", {checksum}")));
        let (mut source, mut validation) = match &self.validation {
            None => ShuffledRows::share(rows, held, batch, seed),
            Some(given) => ShuffledRows::given(rows, given, batch, seed),
        };
        let validation = (!validation.is_empty()).then_some(&mut validation);
        self.go(data, model, &mut source, validation, &log_prob)
    }

    /// [`Fit::run_stream`], with a stream for validation where there is one: its first pass is read after each epoch.
    ///
    /// # Errors
    /// As [`Fit::run_stream`].
    pub fn run_stream<E, M, S, F>(
        self,
        model: &mut M,
        stream: &mut S,
        validation: Option<&mut S>,
        log_prob: F,
    ) -> Result<History, FitError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
        S: Stream,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        self.fit.check()?;
        if self.validation.is_some() {
            let message = "the rows of a stream have no numbers: give a stream for validation".into();
            return Err(FitError::Setting { setting: "validate_on", message });
        }
        let seed = self.fit.seed;
        let data =
            format!("a stream, {}", if validation.is_some() { "another for validation" } else { "no validation" });
        let mut source = Streamed::new(stream, seed, false);
        let mut validation = validation.map(|stream| Streamed::new(stream, seed, true));
        self.go(data, model, &mut source, validation.as_mut(), &log_prob)
    }

    fn go<E, M, S, V, F>(
        mut self,
        data: String,
        model: &mut M,
        source: &mut S,
        validation: Option<&mut V>,
        objective: &F,
    ) -> Result<History, FitError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
        S: Source,
        V: Source<Batch = S::Batch>,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let name = self.model.take().unwrap_or_else(|| type_name::<M>().to_string());
        let replay = self.replay.as_deref();
        let described = Described { name, parts: self.parts.take(), data };
        let run = Run::begin(self.fit, &mut self.watchers, described, replay, model)?;
        if replay.is_some() {
            run.replay(model, source, validation, objective)
        } else {
            run.finish(model, source, validation, objective)
        }
    }
}

impl Fit {
    /// This fit with a callback: [`Trainer::watch`].
    pub fn watch<'a, F: FnMut(&Event<'_>) -> Control + 'a>(&'a self, callback: F) -> Trainer<'a> {
        Trainer::from(self).watch(callback)
    }

    /// This fit with these rows for validation: [`Trainer::validate_on`].
    pub fn validate_on(&self, rows: impl IntoIterator<Item = usize>) -> Trainer<'_> {
        Trainer::from(self).validate_on(rows)
    }

    /// One step of this fit again: [`Trainer::replay`].
    pub fn replay(&self, file: impl Into<PathBuf>) -> Trainer<'_> {
        Trainer::from(self).replay(file)
    }

    /// Fits any dfdx module: a flow, an encoder with a flow `(Encoder, Flow)`, or more.
    ///
    /// `log_prob(model, rows, gradients)` returns the log-density of each of these rows of the data, on a tape that
    /// records into `gradients`; or any other numbers whose mean is to be large. The model ends with its best weights:
    /// those of the epoch with the smallest validation loss.
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
    /// A setting makes no sense, a density fails, a loss or a gradient is not finite: the error names step, row,
    /// manifold and layer, and the model has the best weights so far. A checkpoint cannot be written or resumed from.
    pub fn run<E, M, F>(&self, model: &mut M, rows: usize, log_prob: F) -> Result<History, FitError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
        F: Fn(&M, &Batch<'_, [usize]>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        Trainer::from(self).run(model, rows, log_prob)
    }

    /// Fits any dfdx module to a stream of batches, of which one is held at a time. There is no validation: the
    /// training loss decides what is best; [`Trainer::run_stream`] takes a stream for validation.
    ///
    /// ```
    /// use dfdx::prelude::*;
    /// use flow_runtime::{Fit, flow, data::{DataError, Stream}};
    ///
    /// /// Numbers made as they are asked for: ten batches a pass.
    /// struct Made(usize);
    /// impl Stream for Made {
    ///     type Batch = Vec<[f64; 1]>;
    ///     fn start(&mut self, epoch: usize, seed: u64) -> Result<(), DataError> {
    ///         self.0 = 0;
    ///         Ok(())
    ///     }
    ///     fn next_batch(&mut self) -> Result<Option<Self::Batch>, DataError> {
    ///         self.0 += 1;
    ///         Ok((self.0 <= 10).then(|| (0..32).map(|i| [((i + 32 * self.0) as f64).sin()]).collect()))
    ///     }
    /// }
    ///
    /// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
    /// let fit = Fit { epochs: 3, ..Fit::default() };
    /// let history = fit.run_stream(&mut pdf, &mut Made(0), |pdf, points, gradients| {
    ///     let x = Cpu::default().tensor_from_vec(points.concat(), (points.len(), Const::<1>));
    ///     pdf.log_prob(x.traced(gradients))
    /// })?;
    /// assert_eq!((history.epochs.len(), history.optimizer.step), (3, 30));
    /// # Ok::<(), flow_runtime::FitError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Fit::run`]; the stream fails, or gives nothing. A schedule that falls over the length of the run needs
    /// [`Fit::steps`] where the stream does not know how many batches it has.
    pub fn run_stream<E, M, S, F>(&self, model: &mut M, stream: &mut S, log_prob: F) -> Result<History, FitError>
    where
        E: Element,
        Cpu: Device<E>,
        M: TensorCollection<E, Cpu>,
        S: Stream,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        Trainer::from(self).run_stream(model, stream, None, log_prob)
    }
}
