//! The settings of a fit: everything a run needs, in one value that is kept in a file.

use super::adam::Adam;
use super::error::FitError;
use super::schedule::Schedule;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How to fit: minibatch maximum likelihood. Everything but the data, the model and its loss.
///
/// A flow alone is fitted by its own `fit`; anything around it, such as an encoder that makes the features, by
/// [`Fit::run`].
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
/// let fit = Fit { epochs: 20, batch: 50, optimizer: Adam { learning_rate: 0.01, ..Adam::default() }, ..Fit::default() };
/// let history = pdf.fit(&x, &y, &fit)?;
/// assert!(history.best_loss < history.epochs[0].training);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a file, TOML or JSON, what is not written has its default, what is misspelt is refused by name, and `"off"`
/// stands for `None`:
///
/// ```
/// use flow_runtime::{Fit, trainers::{Every, Schedule}};
///
/// let fit: Fit = toml::from_str(r#"
///     epochs = 40
///     patience = "off"
///     schedule.cosine = { warm_up = 100, last = 0.01 }
///     optimizer = { learning_rate = 0.002, weight_decay = 0.01 }
///     checkpoint = { directory = "run7", every = { minutes = 5.0 } }
/// "#)?;
/// assert_eq!((fit.epochs, fit.patience, fit.batch), (40, None, 256));
/// assert_eq!(fit.schedule, Schedule::Cosine { warm_up: 100, last: 0.01 });
/// assert_eq!(fit.checkpoint.as_ref().unwrap().every, Every::Minutes(5.0));
/// assert_eq!(toml::from_str::<Fit>(&toml::to_string(&fit)?)?, fit);
///
/// let error = toml::from_str::<Fit>("epoch = 40").unwrap_err().to_string();
/// assert!(error.contains("unknown field `epoch`, expected one of `epochs`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fit {
    /// Passes over the training data, at most.
    pub epochs: usize,
    /// Steps, at most; `None`: as many as the epochs have. The epoch in which they run out is validated and recorded as
    /// it is.
    #[serde(with = "or_off")]
    pub steps: Option<usize>,
    /// Rows of a minibatch. A stream has batches of its own.
    pub batch: usize,
    /// The seed of the split, the shuffles, and of each batch. A TOML file holds seeds below 2^63.
    pub seed: u64,
    /// The share of rows kept for validation; 0: none, the training loss decides.
    /// [`Trainer::validate_on`](super::Trainer::validate_on) names the rows instead.
    pub validation: f64,
    /// Stop after this many epochs without a better validation loss; `None`: never.
    #[serde(with = "or_off")]
    pub patience: Option<usize>,
    /// Scale gradients down to this norm; `None`: leave them.
    #[serde(with = "or_off")]
    pub clip: Option<f64>,
    /// Average the weights over the steps with this decay (0.999: about the last thousand steps), and validate and keep
    /// the averages (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992). The decay grows as (1 + t) / (10 + t) with
    /// the steps t up to this, so that the start is soon forgotten. `None`: the weights themselves. Files may call it
    /// `average`, as they did before.
    #[serde(with = "or_off", alias = "average")]
    pub ema_decay: Option<f64>,
    /// Whether the model ends with the weights of its best epoch, or with the last ones.
    pub keep_best: bool,
    /// Show a progress bar on standard error: steps, time left, loss and rate.
    pub progress: bool,
    /// The optimiser.
    pub optimizer: Adam,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// What to do when a loss or a gradient is not finite.
    pub non_finite: NonFinite,
    /// A log of the run; `None`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// Checkpoints, from which a run that was stopped goes on; `None`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpointing>,
}

impl Default for Fit {
    fn default() -> Self {
        Fit {
            epochs: 100,
            steps: None,
            batch: 256,
            seed: 0,
            validation: 0.1,
            patience: Some(20),
            clip: Some(10.0),
            ema_decay: None,
            keep_best: true,
            progress: false,
            optimizer: Adam::default(),
            schedule: Schedule::Constant,
            non_finite: NonFinite::Stop,
            log: None,
            checkpoint: None,
        }
    }
}

/// What to do when a loss or a gradient is not finite.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Fit, flow, trainers::NonFinite};
///
/// let mut data: Vec<[f64; 1]> = (0..300).map(|i| [(i as f64).sin()]).collect();
/// data[7] = [f64::NAN];
/// let mut pdf = Cpu::default().build_module::<flow!(e1 : t), f64>();
/// let fit = Fit { epochs: 2, batch: 50, validation: 0.0, ..Fit::default() };
/// assert!(pdf.fit(&data, &fit).unwrap_err().to_string().contains("row 7: manifold 0 (`e1`)"));
///
/// let fit = Fit { non_finite: NonFinite::Skip { max_skips: 10, rate_factor: 0.5 }, ..fit };
/// let history = pdf.fit(&data, &fit)?;
/// assert_eq!((history.skipped.len(), history.optimizer.step), (2, 10));
/// # Ok::<(), flow_runtime::FitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NonFinite {
    /// The fit ends with an error that names step, row, manifold and layer. The model has the best weights so far.
    #[default]
    Stop,
    /// Weights and optimiser go back to the last state that had a finite loss and gradient, and the batch is passed
    /// over. Where the data are at fault, a point that is not on its manifold or a feature that is not finite, the
    /// batch is passed over and the state stays.
    ///
    /// What fails in validation, and errors that are not of numbers, still end the fit.
    Skip {
        /// Batches, at most; with one more the fit ends with its error. Files may call it `most`, as they did before.
        #[serde(alias = "most")]
        max_skips: usize,
        /// What the learning rate is multiplied by whenever weights go back; 1: nothing. Files may call it `lower`, as
        /// they did before.
        #[serde(alias = "lower")]
        rate_factor: f64,
    },
}

/// A log in JSON lines: one object a line, with the entry `event` first.
///
/// | event | entries |
/// |---|---|
/// | `started` | `epochs`, `steps` (of the whole run, or null), `weights` |
/// | `resumed` | `epoch`, `step` that come next |
/// | `step`, with `steps` | `epoch`, `step`, `loss`, `gradient`, `rate` |
/// | `skipped` | `epoch`, `step`, `seed`, `reason` |
/// | `epoch` | `epoch`, `step`, `training`, `validation`, `rate`, `gradient`, `seconds`, `best` |
/// | `ended` | `epochs`, `step`, `best`, `best_loss`, `stopped_early`, `paused` |
///
/// The file is only ever appended to. Steps between the last checkpoint and a kill are made again when the run is
/// resumed, and then stand in the log twice, with the same numbers, the `resumed` line between them. A machine that
/// goes down while a line is written may leave a piece of it, which is no JSON.
///
/// ```
/// use dfdx::prelude::*;
/// use flow_runtime::{Fit, flow, trainers::Log};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("log.jsonl");
/// let data: Vec<[f64; 1]> = (0..100).map(|i| [(i as f64).sin()]).collect();
/// let fit = Fit { epochs: 3, log: Some(Log { path: path.clone(), steps: false }), ..Fit::default() };
/// Cpu::default().build_module::<flow!(e1 : t), f64>().fit(&data, &fit)?;
/// let log = std::fs::read_to_string(path)?;
/// let lines: Vec<serde_json::Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
/// assert_eq!(lines.iter().filter(|line| line["event"] == "epoch").count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The file.
    pub path: PathBuf,
    /// Whether each step has a line, not only each epoch.
    #[serde(default)]
    pub steps: bool,
}

/// Where and when checkpoints are written, and what becomes of those that are there: see [`trainers`](super) for what
/// is in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpointing {
    /// The directory, made if it is not there. One for each run.
    pub directory: PathBuf,
    /// How often. One is also written at the end of the run, and when a callback pauses it.
    #[serde(default)]
    pub every: Every,
    /// How many are kept, the newest; each holds the best weights so far too.
    #[serde(default = "three")]
    pub keep: usize,
    /// What to do with checkpoints that are there at the start.
    #[serde(default)]
    pub resume: Resume,
}

fn three() -> usize {
    3
}

impl Checkpointing {
    /// After each epoch, into this directory; the newest three are kept, and a run goes on from them.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Checkpointing { directory: directory.into(), every: Every::default(), keep: three(), resume: Resume::default() }
    }
}

/// How often checkpoints are written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Every {
    /// After so many steps.
    Steps(usize),
    /// After so many epochs.
    Epochs(usize),
    /// After the first step that ends so many minutes after the last checkpoint.
    Minutes(f64),
}

impl Default for Every {
    fn default() -> Self {
        Every::Epochs(1)
    }
}

/// What to do with checkpoints that are in the directory at the start of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// Go on from the newest one; start anew where there is none. So the same program, started again, ends what it
    /// began.
    #[default]
    Automatic,
    /// Go on from the newest one; an error where there is none.
    Always,
    /// Start anew; an error where there is one, since it would be overwritten.
    Never,
}

fn refuse<T>(setting: &'static str, message: impl Into<String>) -> Result<T, FitError> {
    Err(FitError::Setting { setting, message: message.into() })
}

impl Fit {
    /// What holds for rows and streams.
    pub(super) fn check(&self) -> Result<(), FitError> {
        let Adam { learning_rate, betas, epsilon, weight_decay } = self.optimizer;
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return refuse("optimizer.learning_rate", format!("{learning_rate}: a learning rate is above 0"));
        }
        if betas.iter().any(|b| !(0.0..1.0).contains(b)) {
            return refuse("optimizer.betas", format!("{betas:?}: from 0 to below 1"));
        }
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return refuse("optimizer.epsilon", format!("{epsilon}: at least 0"));
        }
        if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
            return refuse("optimizer.weight_decay", format!("{weight_decay}: at least 0"));
        }
        if self.batch == 0 {
            return refuse("batch", "0 rows a minibatch: at least 1");
        }
        if self.steps == Some(0) {
            return refuse("steps", "0 steps: at least 1; `None` makes as many as the epochs have");
        }
        if !(0.0..1.0).contains(&self.validation) {
            return refuse("validation", format!("{} is not a share: from 0 to below 1", self.validation));
        }
        if self.clip.is_some_and(|c| c.is_nan() || c <= 0.0) {
            return refuse("clip", "the norm to clip at is above 0; `None` does not clip");
        }
        if self.ema_decay.is_some_and(|a| !(a > 0.0 && a < 1.0)) {
            return refuse("ema_decay", "the decay is above 0 and below 1; `None` does not average");
        }
        if let Err(message) = self.schedule.check() {
            return refuse("schedule", message);
        }
        if let NonFinite::Skip { rate_factor, .. } = self.non_finite
            && !(rate_factor > 0.0 && rate_factor <= 1.0)
        {
            return refuse("non_finite.skip.rate_factor", format!("{rate_factor}: above 0, 1 at most"));
        }
        if let Some(Checkpointing { every, keep, .. }) = &self.checkpoint {
            match every {
                Every::Steps(0) | Every::Epochs(0) => return refuse("checkpoint.every", "0: at least 1"),
                Every::Minutes(m) if !(*m >= 0.0 && m.is_finite()) => {
                    return refuse("checkpoint.every", format!("{m} minutes: at least 0"));
                }
                _ => {}
            }
            if *keep == 0 {
                return refuse("checkpoint.keep", "0: at least 1");
            }
        }
        Ok(())
    }

    /// What holds for rows in memory: how many are for validation.
    pub(super) fn check_rows(&self, rows: usize, given: Option<&[usize]>) -> Result<usize, FitError> {
        if rows == 0 {
            return refuse("points", "there are no rows to fit");
        }
        let validation = match given {
            None => (rows as f64 * self.validation).round() as usize,
            Some(given) => {
                if let Some(row) = given.iter().find(|row| **row >= rows) {
                    return refuse("validate_on", format!("row {row} of {rows}: rows are counted from 0"));
                }
                let mut own = given.to_vec();
                own.sort_unstable();
                if let Some(pair) = own.windows(2).find(|pair| pair[0] == pair[1]) {
                    return refuse("validate_on", format!("row {} is named twice", pair[0]));
                }
                own.len()
            }
        };
        if validation >= rows {
            return refuse("validation", format!("{rows} rows leave none to train on"));
        }
        Ok(validation)
    }

    /// The settings on which weights depend, as a file would hold them. How long a run is counts only where its
    /// schedule depends on it or it was cut off by a number of steps: otherwise a run may be made longer.
    pub(super) fn identity(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut settings = match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(settings)) => settings,
            // A struct of numbers and words.
            _ => serde_json::Map::new(),
        };
        for other in ["progress", "log", "checkpoint"] {
            settings.remove(other);
        }
        if !self.schedule.needs_length() {
            settings.remove("epochs");
        }
        settings
    }
}

/// Settings that had other names: where they stand, the old name, the new one.
const RENAMED: [(&[&str], &str, &str); 4] = [
    (&[], "average", "ema_decay"),
    (&["optimizer"], "rate", "learning_rate"),
    (&["non_finite", "skip"], "most", "max_skips"),
    (&["non_finite", "skip"], "lower", "rate_factor"),
];

/// Reads settings of a checkpoint, by old names too.
pub(super) fn by_new_names<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<serde_json::Map<String, serde_json::Value>, D::Error> {
    let mut settings = serde_json::Map::deserialize(deserializer)?;
    for (place, old, new) in RENAMED {
        let mut within = Some(&mut settings);
        for name in place {
            within = within.and_then(|map| map.get_mut(*name)).and_then(serde_json::Value::as_object_mut);
        }
        if let Some(map) = within
            && let Some(value) = map.remove(old)
        {
            map.insert(new.to_string(), value);
        }
    }
    Ok(settings)
}

/// `None` as the word "off": TOML has no null, and a setting that is left out has its default.
mod or_off {
    use core::fmt;
    use core::marker::PhantomData;
    use serde::de::{Deserializer, Error, Unexpected, Visitor};
    use serde::{Serialize, Serializer};

    pub trait Number: Sized {
        const WHAT: &'static str;
        fn whole(value: u64) -> Option<Self>;
        fn real(value: f64) -> Option<Self>;
    }
    impl Number for usize {
        const WHAT: &'static str = "a whole number, or \"off\"";
        fn whole(value: u64) -> Option<usize> {
            value.try_into().ok()
        }
        fn real(_: f64) -> Option<usize> {
            None
        }
    }
    impl Number for f64 {
        const WHAT: &'static str = "a number, or \"off\"";
        fn whole(value: u64) -> Option<f64> {
            Some(value as f64)
        }
        fn real(value: f64) -> Option<f64> {
            Some(value)
        }
    }

    pub fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str("off"),
        }
    }

    struct Either<T>(PhantomData<T>);

    impl<T: Number> Visitor<'_> for Either<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::WHAT)
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<Option<T>, E> {
            T::whole(value).map(Some).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<Option<T>, E> {
            match u64::try_from(value) {
                Ok(whole) => self.visit_u64(whole),
                Err(_) => {
                    T::real(value as f64).map(Some).ok_or_else(|| E::invalid_value(Unexpected::Signed(value), &self))
                }
            }
        }
        fn visit_f64<E: Error>(self, value: f64) -> Result<Option<T>, E> {
            T::real(value).map(Some).ok_or_else(|| E::invalid_type(Unexpected::Float(value), &self))
        }
        fn visit_str<E: Error>(self, value: &str) -> Result<Option<T>, E> {
            if value == "off" { Ok(None) } else { Err(E::invalid_value(Unexpected::Str(value), &self)) }
        }
        fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
            Ok(None)
        }
    }

    pub fn deserialize<'de, T: Number, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_of_settings_are_read() {
        let text = r#"{
            "average": 0.9, "optimizer": { "rate": 0.5 }, "non_finite": { "skip": { "most": 3, "lower": 0.25 } }
        }"#;
        let fit: Fit = serde_json::from_str(text).unwrap();
        assert_eq!((fit.ema_decay, fit.optimizer.learning_rate), (Some(0.9), 0.5));
        assert_eq!(fit.non_finite, NonFinite::Skip { max_skips: 3, rate_factor: 0.25 });

        // What a checkpoint of an earlier version says of its run is what this version says.
        let old = r#"{
            "steps": "off", "batch": 256, "seed": 0, "validation": 0.1, "patience": 20, "clip": 10.0, "average": 0.9, "keep_best": true,
            "optimizer": { "rate": 0.5, "betas": [0.9, 0.999], "epsilon": 1e-8, "weight_decay": 0.0 },
            "schedule": "constant", "non_finite": { "skip": { "most": 3, "lower": 0.25 } }
        }"#;
        let old = by_new_names(&mut serde_json::Deserializer::from_str(old)).unwrap();
        assert_eq!(old, fit.identity());
    }
}
