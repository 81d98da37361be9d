//! Loss and gradient of one batch, and what can be wrong with them.
//!
//! A step of a flow that is fitted to rows walks all weights six times:
//!
//! 1. tensors to the flat weights of the kernels (`WeightCache::weights_for_tape`),
//! 2. the sums of the gradient's tasks into the first of them (in `flow-core`; nothing for batches of one task),
//! 3. that gradient, times the cotangent of the mean, to those of the tensors (`Weights::give`),
//! 4. these with the sign changed to a flat gradient, and its norm ([`collect_gradient`]),
//! 5. Adam, clipping included, on flat weights that the run keeps ([`Adam::update_scaled`](super::Adam)),
//! 6. the flat weights to the tensors (`set_flat_values`).
//!
//! An average of the weights is one more, and so is the copy of the last good state where a fit may go back to it.

use super::batch::{Batch, Place};
use super::error::{FitError, StepLocation};
use super::flat::collect_gradient;
use super::source::Source;
use crate::error::Error;
use crate::module::{Element, Traced};
use dfdx::nn::ZeroGrads;
use dfdx::nn::tensor_collection::TensorCollection;
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Cpu, CpuError, Gradients, PutTape, SplitTape, Tensor};
use dfdx::tensor_ops::{Backward, Device, MeanTo};
use std::path::Path;

/// A step that failed: of which kind, before it has its place.
pub(super) enum Fault {
    Source(Error),
    Loss { row: usize, value: f64 },
    Gradient { part: String, row: Option<usize> },
    Nothing,
    Fit(FitError),
}

impl From<CpuError> for Fault {
    fn from(error: CpuError) -> Self {
        Fault::Fit(error.into())
    }
}

impl Fault {
    /// Whether numbers are at fault, so that the batch can be passed over; and whether those of the weights may be.
    pub fn skippable(&self) -> Option<bool> {
        match self {
            Fault::Source(Error::Point { .. } | Error::Feature { .. }) => Some(false),
            Fault::Source(Error::NotFinite { .. } | Error::NotConverged { .. } | Error::LogMean { .. })
            | Fault::Loss { .. }
            | Fault::Gradient { .. } => Some(true),
            Fault::Source(_) | Fault::Nothing | Fault::Fit(_) => None,
        }
    }

    /// What happened, without where.
    pub fn reason(&self) -> String {
        match self {
            Fault::Source(source) => source.to_string(),
            Fault::Loss { row, value } => format!("the loss function gives {value} for row {row}"),
            Fault::Gradient { part, row } => {
                let row = row.map_or(String::new(), |row| format!(" by row {row}"));
                format!("the gradient of {part}{row} is not finite")
            }
            Fault::Nothing => "the loss function returned no numbers".into(),
            Fault::Fit(error) => error.to_string(),
        }
    }

    fn at(self, at: StepLocation) -> FitError {
        match self {
            Fault::Source(source) => FitError::Step { at, source: Box::new(source) },
            Fault::Loss { row, value } => FitError::Loss { at, row, value },
            Fault::Gradient { part, row } => FitError::Gradient { at, part, row },
            Fault::Nothing => FitError::Nothing { at },
            Fault::Fit(error) => error,
        }
    }
}

/// The loss of a batch, with its gradient.
pub(super) struct Gradient<E> {
    pub loss: f64,
    pub norm: f64,
    pub flat: Vec<E>,
    /// How much the batch counts in the mean over the epoch: its rows.
    pub weight: f64,
}

/// Values of the loss function, checked: their mean with the sign changed, and how many there are.
pub(super) fn mean<E: Element>(values: &Tensor<(usize,), E, Cpu>, rows: Option<&[usize]>) -> Result<(f64, usize), Fault>
where
    Cpu: Device<E>,
{
    // Before `as_vec`, which panics on a tensor without elements.
    if values.shape().0 == 0 {
        return Err(Fault::Nothing);
    }
    let values = values.as_vec();
    let at = |i: usize| {
        let row = rows.and_then(|rows| rows.get(i).copied()).unwrap_or(i);
        Fault::Loss { row, value: values[i].widen() }
    };
    if let Some(i) = values.iter().position(|d| !d.widen().is_finite()) {
        return Err(at(i));
    }
    let loss = -values.iter().map(|d| d.widen()).sum::<f64>() / values.len() as f64;
    if !loss.is_finite() {
        // Each is finite, their sum is not: the largest is at fault.
        let far = |i: &usize| values[*i].widen().abs();
        let i = (0..values.len()).max_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or(0);
        return Err(at(i));
    }
    Ok((loss, values.len()))
}

/// Turns a row of the batch into a row of the data.
pub(super) fn at_rows<T>(result: Result<T, Error>, rows: Option<&[usize]>) -> Result<T, Fault> {
    result.map_err(|source| {
        Fault::Source(match source.row().and_then(|row| rows?.get(row).copied()) {
            Some(row) => source.at_row(row),
            None => source,
        })
    })
}

/// The part of the model to which the first number of a gradient belongs that is not finite.
fn first_bad<E: Element>(parts: &Parts, gradient: &[E]) -> String {
    let Some(mut at) = gradient.iter().position(|g| !g.widen().is_finite()) else {
        return "all weights together".into();
    };
    for (name, count) in parts {
        if at < *count {
            return name.clone();
        }
        at -= count;
    }
    "the last weights".into()
}

/// Parts of a model in words, in the order of its weights, and how many weights each has.
pub(super) type Parts = [(String, usize)];

/// Computes loss and gradient of a batch; the gradient takes the room of `buffer`.
pub(super) fn gradient<E, M, S, F>(
    model: &M,
    data: &S::Batch,
    place: Place,
    objective: &F,
    (parts, buffer): (&Parts, Vec<E>),
) -> Result<Gradient<E>, Box<Failed>>
where
    E: Element,
    Cpu: Device<E>,
    M: TensorCollection<E, Cpu>,
    S: Source,
    F: Fn(&M, &Batch<'_, S::Batch>, Gradients<E, Cpu>) -> Result<Traced<(usize,), E>, Error>,
{
    let rows = S::rows(data);
    let flat = |data: &S::Batch, rows: Option<&[usize]>, buffer| -> Result<(f64, usize, Vec<E>, f64), Fault> {
        let traced = at_rows(objective(model, &Batch { data, place }, model.try_alloc_grads()?), rows)?;
        let (values, tape) = traced.split_tape();
        let (loss, count) = mean(&values, rows)?;
        let mut gradients = values.put_tape(tape).try_mean::<(), Axis<0>>()?.try_backward()?;
        // The tape differentiated the mean of what is made large; the loss is its negative.
        let (flat, norm) = collect_gradient(model, &mut gradients, E::narrow(-1.0), buffer)?;
        Ok((loss, count, flat, norm))
    };
    let found = flat(data, rows, buffer).and_then(|(loss, count, flat_own, norm)| {
        if norm.is_finite() {
            let weight = rows.map_or(count, <[usize]>::len) as f64;
            return Ok(Gradient { loss, norm, flat: flat_own, weight });
        }
        // Each row alone: the first that has such a gradient, or fails outright.
        let alone = |i: usize| S::one(data, i).map(|one| flat(one, S::rows(one), Vec::new()));
        let bad = |i: &usize| match alone(*i) {
            Some(Ok((_, _, own, _))) => own.iter().any(|g| !g.widen().is_finite()),
            other => other.is_some(),
        };
        let row = rows.and_then(|rows| (0..rows.len()).find(bad).map(|i| rows[i]));
        Err(Fault::Gradient { part: first_bad(parts, &flat_own), row })
    });
    found.map_err(|fault| Box::new(Failed { fault, place }))
}

/// A fault with its place.
pub(super) struct Failed {
    pub fault: Fault,
    pub place: Place,
}

impl Failed {
    pub fn error(self, replay: Option<&Path>) -> FitError {
        let Place { epoch, step, batch, training, seed } = self.place;
        self.fault.at(StepLocation {
            epoch,
            step,
            batch,
            seed,
            validation: !training,
            replay: replay.map(Path::to_path_buf),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_number_names_its_part() {
        let parts = [("one".to_string(), 2), ("none".to_string(), 0), ("three".to_string(), 3)];
        let of = |bad: usize| {
            let mut gradient = [0.5_f32; 5];
            gradient[bad] = f32::NAN;
            gradient[4] = f32::INFINITY;
            first_bad(&parts, &gradient)
        };
        assert_eq!([of(0), of(1), of(2), of(4)], ["one", "one", "three", "three"]);
        assert_eq!(first_bad(&parts, &[1e30_f32; 5]), "all weights together");
    }
}
