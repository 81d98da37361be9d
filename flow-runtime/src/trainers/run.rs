//! The loop: batches, the guard, validation, the best weights, checkpoints. Rows in memory and streams go through the
//! same one.

use super::batch::{Batch, Place};
use super::checkpoint::{Checkpoint, CheckpointError, Folder, Identity, Progress, Snapshot, State, Sums};
use super::error::FitError;
use super::event::{Control, Event};
use super::flat::{flat_values, set_flat_values, tensor_names};
use super::history::{Epoch, History, Skipped};
use super::log::LogFile;
use super::schedule::Plateau;
use super::settings::{Every, Fit, NonFinite, Resume};
use super::source::Source;
use super::step::{Failed, Gradient, at_rows, gradient, mean};
use crate::error::Error;
use crate::module::{Element, Traced};
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::tensor::{Cpu, Gradients, SplitTape};
use dfdx::tensor_ops::Device;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A callback.
pub(super) type Watcher<'a> = Box<dyn FnMut(&Event<'_>) -> Control + 'a>;

/// Model and data in words.
pub(super) struct Described {
    /// The model.
    pub name: String,
    /// Its parts in the order of its weights, with how many weights each has; `None`: the tensors.
    pub parts: Option<Vec<(String, usize)>>,
    /// The data.
    pub data: String,
}

/// A run in progress: what it works by, and its state.
pub(super) struct Run<'r, 'a, E> {
    fit: &'r Fit,
    watchers: &'r mut [Watcher<'a>],
    identity: Identity,
    /// The model's parts in words.
    parts: Vec<(String, usize)>,
    folder: Option<Folder>,
    log: Option<LogFile<'r>>,
    bar: ProgressBar,
    state: State<E>,
    /// Room for a gradient.
    buffer: Vec<E>,
    /// Steps of the whole run, where that is known.
    total: Option<usize>,
    /// Since when this process works on the epoch, and since when there is a checkpoint.
    clock: Instant,
    written: Instant,
    answer: Control,
}

impl<'r, 'a, E: Element> Run<'r, 'a, E>
where
    Cpu: Device<E>,
{
    /// A run at its start, or where its newest checkpoint left it: the model then has the weights of that.
    pub fn begin<M: TensorCollection<E, Cpu>>(
        fit: &'r Fit,
        watchers: &'r mut [Watcher<'a>],
        Described { name, parts, data }: Described,
        replay: Option<&Path>,
        model: &mut M,
    ) -> Result<Self, FitError> {
        let identity = Identity { model: name, tensors: tensor_names(model)?, data, settings: fit.identity() };
        let weights = flat_values(model)?;
        let average = match fit.ema_decay {
            Some(_) => weights.iter().map(|w| w.widen()).collect(),
            None => Vec::new(),
        };
        let progress = Progress {
            epoch: 0,
            batch: 0,
            step: 0,
            sums: Sums::default(),
            plateau: Plateau::default(),
            brake: 1.0,
            ended: false,
            history: History { best_loss: f64::INFINITY, ..History::default() },
        };
        let now = Snapshot { weights: weights.clone(), average, ..Snapshot::default() };
        let mut run = Run {
            fit,
            watchers,
            parts: match parts {
                Some(parts) => parts,
                None => identity.tensors.iter().map(|(name, count)| (format!("tensor `{name}`"), *count)).collect(),
            },
            identity,
            folder: None,
            log: None,
            bar: ProgressBar::hidden(),
            state: State { progress, now, best: weights, good: None },
            buffer: Vec::new(),
            total: None,
            clock: Instant::now(),
            written: Instant::now(),
            answer: Control::Continue,
        };
        if let Some(path) = replay {
            run.take(Checkpoint::read(path)?, model)?;
            return Ok(run);
        }
        let mut from = None;
        if let Some(settings) = &fit.checkpoint {
            let folder = Folder::open(&settings.directory, settings.keep)?;
            from = folder.newest()?;
            let message = match (settings.resume, &from) {
                (Resume::Always, None) => "there is no checkpoint to resume from: start with `resume` as \"automatic\"",
                (Resume::Never, Some(_)) => {
                    "there are checkpoints of a run, which a run that starts anew would overwrite: resume it, or choose another directory"
                }
                _ => "",
            };
            if !message.is_empty() {
                let (path, message) = (settings.directory.clone(), message.into());
                return Err(CheckpointError::Directory { path, message }.into());
            }
            run.folder = Some(folder);
        }
        if let Some(path) = &from {
            run.take(Checkpoint::read(path)?, model)?;
        }
        run.log = fit.log.as_ref().map(LogFile::open).transpose()?;
        if let Some(path) = &from {
            let Progress { epoch, step, .. } = run.state.progress;
            run.line("resumed", json!({ "epoch": epoch, "step": step }))?;
            run.tell(&Event::Resumed { path, epoch, step });
        }
        Ok(run)
    }

    fn take<M: TensorCollection<E, Cpu>>(&mut self, file: Checkpoint, model: &mut M) -> Result<(), FitError> {
        self.state = file.state(&self.identity)?;
        Ok(set_flat_values(model, &self.state.now.weights)?)
    }

    /// The run to its end, whatever that is; the model then has the weights that are kept.
    pub fn finish<M, S, V, F>(
        mut self,
        model: &mut M,
        source: &mut S,
        validation: Option<&mut V>,
        objective: &F,
    ) -> Result<History, FitError>
    where
        M: TensorCollection<E, Cpu>,
        S: Source,
        V: Source<Batch = S::Batch>,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let outcome = self.drive(model, source, validation, objective);
        self.bar.finish();
        if self.fit.keep_best || outcome.is_err() {
            set_flat_values(model, &self.state.best)?;
        } else if self.fit.ema_decay.is_some() {
            set_flat_values(model, &narrow(&self.state.now.average))?;
        }
        outcome?;
        let Progress { history, step, .. } = &self.state.progress;
        let best_loss = history.best_loss.is_finite().then_some(history.best_loss);
        let entries = json!({
            "epochs": history.epochs.len(), "step": step, "best": history.best, "best_loss": best_loss,
            "stopped_early": history.stopped_early, "paused": history.paused,
        });
        self.line("ended", entries)?;
        let mut history = self.state.progress.history;
        history.optimizer = self.state.now.optimizer;
        Ok(history)
    }

    /// Makes the step again that a file holds (or the validation, after the last batch of an epoch), and leaves the
    /// model with the weights before it.
    pub fn replay<M, S, V, F>(
        mut self,
        model: &mut M,
        source: &mut S,
        validation: Option<&mut V>,
        objective: &F,
    ) -> Result<History, FitError>
    where
        M: TensorCollection<E, Cpu>,
        S: Source,
        V: Source<Batch = S::Batch>,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        source.start(self.state.progress.epoch)?;
        self.measure(source.batches())?;
        source.skip(self.state.progress.batch)?;
        let place = self.place();
        match source.next()? {
            Some(data) if !self.out_of_steps() => {
                let found = gradient::<E, M, S, F>(model, data, place, objective, (&self.parts, Vec::new()))
                    .map_err(|f| f.error(None))?;
                let rate = self.fit.optimizer.learning_rate * self.factor();
                let Place { epoch, step, .. } = place;
                self.tell(&Event::Step { epoch, step, loss: found.loss, gradient: found.norm, rate });
            }
            _ => {
                self.validate(model, validation, objective)?;
            }
        }
        Ok(self.state.progress.history)
    }

    fn drive<M, S, V, F>(
        &mut self,
        model: &mut M,
        source: &mut S,
        mut validation: Option<&mut V>,
        objective: &F,
    ) -> Result<(), FitError>
    where
        M: TensorCollection<E, Cpu>,
        S: Source,
        V: Source<Batch = S::Batch>,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let mut measured = false;
        while !self.done() {
            source.start(self.state.progress.epoch)?;
            if !measured {
                self.measure(source.batches())?;
                self.announce()?;
                measured = true;
            }
            source.skip(self.state.progress.batch)?;
            self.clock = Instant::now();
            loop {
                match self.answer {
                    Control::Continue => {}
                    Control::Stop => break,
                    Control::Pause => {
                        self.checkpoint()?;
                        self.state.progress.history.paused = true;
                        return Ok(());
                    }
                }
                if self.out_of_steps() {
                    break;
                }
                let Some(data) = source.next()? else { break };
                self.step::<M, S, F>(model, data, objective)?;
                let Some(settings) = &self.fit.checkpoint else { continue };
                if match settings.every {
                    Every::Steps(n) => self.state.progress.step.is_multiple_of(n),
                    Every::Epochs(_) => false,
                    Every::Minutes(m) => self.written.elapsed().as_secs_f64() >= 60.0 * m,
                } {
                    self.checkpoint()?;
                }
            }
            self.close_epoch(model, validation.as_deref_mut(), objective)?;
            let every = self.fit.checkpoint.as_ref().map(|settings| settings.every);
            let due = matches!(every, Some(Every::Epochs(n)) if self.state.progress.epoch.is_multiple_of(n));
            if due || self.done() {
                self.checkpoint()?;
            }
        }
        Ok(())
    }

    fn out_of_steps(&self) -> bool {
        self.fit.steps.is_some_and(|steps| self.state.progress.step >= steps)
    }

    fn done(&self) -> bool {
        self.state.progress.ended || self.state.progress.epoch >= self.fit.epochs || self.out_of_steps()
    }

    /// The next batch's place.
    fn place(&self) -> Place {
        let Progress { epoch, step, batch, .. } = self.state.progress;
        Place::new(self.fit.seed, true, [epoch, step, batch])
    }

    /// What the learning rate is multiplied by.
    fn factor(&self) -> f64 {
        let Progress { step, plateau, brake, .. } = &self.state.progress;
        // A schedule that needs the length of the run was refused where there is none.
        self.fit.schedule.factor(*step, self.total.unwrap_or(usize::MAX)) * plateau.factor * brake
    }

    /// Learns how long the run is.
    fn measure(&mut self, batches: Option<usize>) -> Result<(), FitError> {
        let all = batches.map(|batches| batches.saturating_mul(self.fit.epochs));
        self.total = match (all, self.fit.steps) {
            (Some(all), Some(steps)) => Some(all.min(steps)),
            (all, steps) => all.or(steps),
        };
        if self.total.is_none() && self.fit.schedule.needs_length() {
            let message = "how many batches the stream has is not known before its end, but this schedule falls over the length of the run: give `steps`".into();
            return Err(FitError::Setting { setting: "steps", message });
        }
        Ok(())
    }

    /// Progress bar and first line.
    fn announce(&mut self) -> Result<(), FitError> {
        let step = self.state.progress.step;
        if self.fit.progress {
            self.bar = ProgressBar::new_spinner();
            let mut template = "{pos} steps {per_sec}, {elapsed}  {msg}";
            if let Some(total) = self.total {
                self.bar.set_length(total as u64);
                template = "{bar:30} {pos}/{len} steps {per_sec} {eta} left  {msg}";
            }
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.set_position(step as u64);
            self.bar.reset_eta();
        }
        if step == 0 && self.state.progress.history.epochs.is_empty() {
            let weights: usize = self.identity.tensors.iter().map(|(_, numbers)| numbers).sum();
            let entries = json!({ "epochs": self.fit.epochs, "steps": self.total, "weights": weights });
            self.line("started", entries)?;
        }
        Ok(())
    }

    fn line(&mut self, event: &str, entries: serde_json::Value) -> Result<(), FitError> {
        self.log.as_mut().map_or(Ok(()), |log| log.line(event, entries))
    }

    fn tell(&mut self, event: &Event<'_>) {
        for watcher in self.watchers.iter_mut() {
            self.answer = self.answer.max(watcher(event));
        }
    }

    /// One batch.
    fn step<M, S, F>(&mut self, model: &mut M, data: &S::Batch, objective: &F) -> Result<(), FitError>
    where
        M: TensorCollection<E, Cpu>,
        S: Source,
        F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let place = self.place();
        let buffer = std::mem::take(&mut self.buffer);
        match gradient::<E, M, S, F>(model, data, place, objective, (&self.parts, buffer)) {
            Ok(found) => self.descend(model, found, place)?,
            Err(failed) => self.guard(model, *failed)?,
        }
        self.state.progress.step += 1;
        self.state.progress.batch += 1;
        self.bar.inc(1);
        Ok(())
    }

    /// Changes the weights along a gradient.
    fn descend<M>(&mut self, model: &mut M, found: Gradient<E>, place: Place) -> Result<(), FitError>
    where
        M: TensorCollection<E, Cpu>,
    {
        let Gradient { loss, norm, flat, weight } = found;
        let scale = self.fit.clip.filter(|clip| norm > *clip).map_or(1.0, |clip| clip / norm);
        let factor = self.factor();
        let rate = self.fit.optimizer.learning_rate * factor;
        let now = &mut self.state.now;
        if matches!(self.fit.non_finite, NonFinite::Skip { .. }) {
            let good = self.state.good.get_or_insert_with(Snapshot::default);
            good.weights.clone_from(&now.weights);
            good.average.clone_from(&now.average);
            good.optimizer.clone_from(&now.optimizer);
        }
        let along = (&flat[..], E::narrow(scale));
        self.fit.optimizer.update_scaled(&mut now.optimizer, &mut now.weights, along, factor);
        set_flat_values(model, &now.weights)?;
        self.buffer = flat;
        if let Some(decay) = self.fit.ema_decay {
            let steps = now.optimizer.step as f64;
            let decay = decay.min((1.0 + steps) / (10.0 + steps));
            for (average, value) in now.average.iter_mut().zip(&now.weights) {
                *average = decay * *average + (1.0 - decay) * value.widen();
            }
        }
        let sums = &mut self.state.progress.sums;
        sums.loss += loss * weight;
        sums.weight += weight;
        sums.gradient = sums.gradient.max(norm);
        sums.rate = rate;
        let Place { epoch, step, .. } = place;
        if self.fit.progress {
            let mean = sums.loss / sums.weight;
            let last = self.state.progress.history.epochs.last().and_then(|epoch| epoch.validation);
            let last = last.map_or(String::new(), |v| format!("  validation {v:.4}"));
            self.bar.set_message(format!("epoch {epoch}  loss {mean:.4}{last}  rate {rate:.1e}"));
        }
        if self.log.as_ref().is_some_and(LogFile::steps) {
            let entries = json!({ "epoch": epoch, "step": step, "loss": loss, "gradient": norm, "rate": rate });
            self.line("step", entries)?;
        }
        self.tell(&Event::Step { epoch, step, loss, gradient: norm, rate });
        Ok(())
    }

    /// A step that failed: ends the run, or goes back and passes over the batch.
    fn guard<M>(&mut self, model: &mut M, failed: Failed) -> Result<(), FitError>
    where
        M: TensorCollection<E, Cpu>,
    {
        let passed_over = &self.state.progress.history.skipped;
        let back = match self.fit.non_finite {
            NonFinite::Skip { max_skips, rate_factor } if passed_over.len() < max_skips => {
                failed.fault.skippable().map(|weights| (weights, rate_factor))
            }
            _ => None,
        };
        if failed.fault.skippable().is_none() {
            return Err(failed.error(None));
        }
        let replay = self.write_fault()?;
        let Some((weights, rate_factor)) = back else { return Err(failed.error(replay.as_deref())) };
        if weights {
            if let Some(good) = self.state.good.clone() {
                set_flat_values(model, &good.weights)?;
                self.state.now = good;
            }
            self.state.progress.brake *= rate_factor;
        }
        let Place { epoch, step, seed, .. } = failed.place;
        let skipped = Skipped { epoch, step, seed, reason: failed.fault.reason() };
        let entries = json!({ "epoch": epoch, "step": step, "seed": seed, "reason": skipped.reason });
        self.line("skipped", entries)?;
        self.tell(&Event::Skipped(&skipped));
        self.state.progress.history.skipped.push(skipped);
        Ok(())
    }

    /// The end of an epoch.
    fn close_epoch<M, B, V, F>(
        &mut self,
        model: &mut M,
        validation: Option<&mut V>,
        objective: &F,
    ) -> Result<(), FitError>
    where
        B: ?Sized,
        M: TensorCollection<E, Cpu>,
        V: Source<Batch = B>,
        F: Fn(&M, &Batch<'_, B>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let Progress { epoch: index, step, ref sums, .. } = self.state.progress;
        if sums.weight == 0.0 {
            let what = match self.state.progress.batch {
                0 => "the data gave no batch",
                _ => "every batch was passed over, because its loss or gradient is not finite",
            };
            return Err(FitError::NoBatches { epoch: index, what });
        }
        let training = sums.loss / sums.weight;
        let (rate, gradient) = (sums.rate, sums.gradient);
        let validated = self.validate(model, validation, objective)?;
        self.count_seconds();
        let progress = &mut self.state.progress;
        let loss = validated.unwrap_or(training);
        let best = loss < progress.history.best_loss;
        if best {
            progress.history.best_loss = loss;
            progress.history.best = index;
            self.state.best = match self.fit.ema_decay {
                Some(_) => narrow(&self.state.now.average),
                None => self.state.now.weights.clone(),
            };
        }
        progress.plateau.take(&self.fit.schedule, loss);
        let epoch = Epoch { training, validation: validated, rate, gradient, seconds: progress.sums.seconds };
        progress.sums = Sums::default();
        progress.epoch += 1;
        progress.batch = 0;
        progress.history.epochs.push(epoch.clone());
        let entries = json!({
            "epoch": index, "step": step, "training": training, "validation": validated, "rate": rate,
            "gradient": gradient, "seconds": epoch.seconds, "best": best,
        });
        self.line("epoch", entries)?;
        self.tell(&Event::Epoch { index, epoch: &epoch, best });
        let progress = &mut self.state.progress;
        let patience = self.fit.patience.is_some_and(|p| index - progress.history.best >= p);
        if patience || self.answer == Control::Stop {
            progress.ended = true;
            progress.history.stopped_early = true;
        }
        Ok(())
    }

    /// The mean loss over the validation data, by the weights that would be kept.
    fn validate<M, B, V, F>(
        &mut self,
        model: &mut M,
        validation: Option<&mut V>,
        objective: &F,
    ) -> Result<Option<f64>, FitError>
    where
        B: ?Sized,
        M: TensorCollection<E, Cpu>,
        V: Source<Batch = B>,
        F: Fn(&M, &Batch<'_, B>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
    {
        let Some(validation) = validation else { return Ok(None) };
        let Progress { epoch, step, .. } = self.state.progress;
        if self.fit.ema_decay.is_some() {
            set_flat_values(model, &narrow(&self.state.now.average))?;
        }
        validation.start(epoch)?;
        let (mut sum, mut weights, mut batch) = (0.0, 0.0, 0);
        while let Some(data) = validation.next()? {
            let place = Place::new(self.fit.seed, false, [epoch, step, batch]);
            let rows = V::rows(data);
            let values = at_rows(objective(model, &Batch { data, place }, Gradients::leaky()), rows);
            let found = values.and_then(|values| mean(&values.split_tape().0, rows));
            let (loss, count) = match found {
                Ok(found) => found,
                Err(fault) => {
                    set_flat_values(model, &self.state.now.weights)?;
                    let replay = match fault.skippable() {
                        Some(_) => self.write_fault()?,
                        None => None,
                    };
                    return Err(Failed { fault, place }.error(replay.as_deref()));
                }
            };
            let weight = rows.map_or(count, <[usize]>::len) as f64;
            sum += loss * weight;
            weights += weight;
            batch += 1;
        }
        set_flat_values(model, &self.state.now.weights)?;
        if weights == 0.0 {
            return Err(FitError::NoBatches { epoch, what: "the validation data gave no batch" });
        }
        Ok(Some(sum / weights))
    }

    fn count_seconds(&mut self) {
        self.state.progress.sums.seconds += self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }

    fn checkpoint(&mut self) -> Result<(), FitError> {
        if self.folder.is_none() {
            return Ok(());
        }
        // What the checkpoint counts as done has its lines on disk before.
        self.log.as_mut().map_or(Ok(()), LogFile::sync)?;
        self.count_seconds();
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.write(&self.identity, &self.state)?;
        self.written = Instant::now();
        self.tell(&Event::Checkpoint { path: &path });
        Ok(())
    }

    /// The state before the step that failed, for a replay.
    fn write_fault(&mut self) -> Result<Option<PathBuf>, FitError> {
        if self.folder.is_none() {
            return Ok(None);
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        Ok(Some(folder.write_fault(&self.identity, &self.state)?))
    }
}

fn narrow<E: Element>(wide: &[f64]) -> Vec<E> {
    wide.iter().map(|x| E::narrow(*x)).collect()
}
