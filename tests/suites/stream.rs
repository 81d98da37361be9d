//! Training from streams: the same loop as from rows in memory, one batch held at a time.

use dfdx::prelude::*;
use flow_runtime::data::{DataError, Rows, Stream};
use flow_runtime::trainers::{Checkpointing, Control, Event};
use flow_runtime::{Adam, Fit, FitError, Schedule, flow};
use std::cell::RefCell;

type Line = flow!(e1 : gt | cond 1, hidden 8);
type Point = flow!(e1 : gt);

fn data(rows: usize) -> (Vec<[f64; 1]>, Vec<[f64; 1]>) {
    let x: Vec<[f64; 1]> = (0..rows).map(|i| [(0.37 * i as f64).sin()]).collect();
    let y = x.iter().enumerate().map(|(i, x)| [x[0] * x[0] + 0.2 * (1.3 * i as f64).cos()]).collect();
    (x, y)
}

/// Batches that are written down, pass after pass; what it was asked for.
#[derive(Default)]
struct Written<const C: usize> {
    passes: Vec<Vec<Rows<1, C>>>,
    at: [usize; 2],
    fails_at: Option<[usize; 2]>,
    length: bool,
    asked: RefCell<Vec<String>>,
}

impl<const C: usize> Stream for Written<C> {
    type Batch = Rows<1, C>;
    fn start(&mut self, epoch: usize, seed: u64) -> Result<(), DataError> {
        self.asked.borrow_mut().push(format!("start {epoch} {seed}"));
        self.at = [epoch, 0];
        Ok(())
    }
    fn next_batch(&mut self) -> Result<Option<Rows<1, C>>, DataError> {
        if self.fails_at == Some(self.at) {
            return Err(DataError::Source { origin: "disk".into(), message: "gone".into() });
        }
        let batch = self.passes.get(self.at[0]).and_then(|pass| pass.get(self.at[1])).cloned();
        self.at[1] += 1;
        Ok(batch)
    }
    fn skip(&mut self, batches: usize) -> Result<(), DataError> {
        self.asked.borrow_mut().push(format!("skip {batches}"));
        self.at[1] += batches;
        Ok(())
    }
    fn batches(&self) -> Option<usize> {
        self.length.then(|| self.passes[0].len())
    }
}

#[test]
fn a_stream_of_the_same_batches_gives_the_same_weights_as_rows_in_memory() {
    let (x, y) = data(230);
    let schedule = Schedule::Cosine { warm_up: 3, last: 0.1 };
    let optimizer = Adam { learning_rate: 0.02, ..Adam::default() };
    let fit = Fit { epochs: 4, batch: 50, schedule, optimizer, seed: 9, ..Fit::default() };
    let held: Vec<usize> = (200..230).collect();
    let gather = |rows: &[usize]| Rows {
        features: rows.iter().map(|row| x[*row]).collect(),
        points: rows.iter().map(|row| y[*row]).collect(),
    };
    let build = || Cpu::seed_from_u64(1).build_module::<Line, f64>();
    let passes = RefCell::new(vec![Vec::new(); 4]);
    let mut in_memory = build();
    let history = fit
        .validate_on(held.clone())
        .run(&mut in_memory, 230, |pdf, rows, gradients| {
            let batch = gather(rows);
            let given = Cpu::default().tensor_from_vec(batch.features.concat(), (rows.len(), Const::<1>));
            let density = pdf.given(given.traced(gradients))?.log_prob(&batch.points);
            if rows.training() {
                passes.borrow_mut()[rows.epoch()].push(batch);
            }
            density
        })
        .unwrap();
    let mut stream = Written { passes: passes.into_inner(), length: true, ..Written::default() };
    let mut validation = Written { passes: vec![vec![gather(&held)]], ..Written::default() };
    let mut streamed = build();
    let from_stream = streamed.fit_stream(&mut stream, Some(&mut validation), &fit).unwrap();
    assert_eq!(streamed.flat_weights(), in_memory.flat_weights());
    for (a, b) in history.epochs.iter().zip(&from_stream.epochs) {
        assert_eq!((a.training, a.validation, a.rate, a.gradient), (b.training, b.validation, b.rate, b.gradient));
    }
    assert_eq!(history.optimizer, from_stream.optimizer);
    assert_eq!(stream.asked.take(), ["start 0 9", "start 1 9", "start 2 9", "start 3 9"]);
    // The validation data are the same in every epoch.
    assert_eq!(validation.asked.take(), ["start 0 9"; 4]);
}

#[test]
fn a_resumed_run_passes_over_what_it_had() {
    let (_, y) = data(80);
    let batch = |i: usize| Rows { features: vec![[]; 10], points: y[10 * i..10 * (i + 1)].to_vec() };
    let passes = vec![(0..4).map(batch).collect::<Vec<_>>(), (4..8).map(batch).collect()];
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit { epochs: 2, checkpoint: Some(Checkpointing::new(folder.path())), ..Fit::default() };
    let mut stream = Written { passes, ..Written::default() };
    let mut pdf = Cpu::default().build_module::<Point, f64>();
    let pause = fit.watch(|event| match event {
        Event::Step { step: 6, .. } => Control::Pause,
        _ => Control::Continue,
    });
    assert!(pdf.fit_stream(&mut stream, None, pause).unwrap().paused);
    assert_eq!(stream.asked.take(), ["start 0 0", "start 1 0"]);
    let history = pdf.fit_stream(&mut stream, None, &fit).unwrap();
    assert_eq!((history.epochs.len(), history.optimizer.step), (2, 8));
    assert_eq!(stream.asked.take(), ["start 1 0", "skip 3"]);
    assert_eq!(history.epochs[1].validation, None);
    assert_eq!(history.best_loss, history.epochs.iter().map(|e| e.training).fold(f64::INFINITY, f64::min));
}

#[test]
fn what_is_wrong_with_a_stream_is_named() {
    let (_, y) = data(40);
    let batch = |i: usize| Rows { features: vec![[]; 10], points: y[10 * i..10 * (i + 1)].to_vec() };
    let pass: Vec<_> = (0..4).map(batch).collect();
    let mut stream = Written { passes: vec![pass.clone(); 3], ..Written::default() };
    let mut pdf = Cpu::default().build_module::<Point, f64>();
    let mut go = |stream: &mut Written<0>, fit: &Fit| pdf.fit_stream(stream, None, fit);
    let cosine = Fit { epochs: 3, schedule: Schedule::Cosine { warm_up: 0, last: 0.0 }, ..Fit::default() };
    // Its length is not known, and the schedule needs one: from the stream, or from the settings.
    let error = go(&mut stream, &cosine).unwrap_err();
    assert!(matches!(error, FitError::Setting { setting: "steps", .. }), "{error}");
    assert_eq!(go(&mut stream, &Fit { steps: Some(7), ..cosine.clone() }).unwrap().optimizer.step, 7);
    stream.length = true;
    assert_eq!(go(&mut stream, &cosine).unwrap().optimizer.step, 12);

    stream.fails_at = Some([1, 2]);
    let error = go(&mut stream, &cosine).unwrap_err();
    assert!(matches!(error, FitError::Data(_)), "{error}");
    assert_eq!(error.to_string(), "disk: gone; the best weights so far are kept");
    let error = go(&mut Written::default(), &Fit::default()).unwrap_err().to_string();
    assert!(error.contains("epoch 0: the data gave no batch"), "{error}");
    // A row is that of its batch; the seed of the batch leads to it.
    let mut bad = pass.clone();
    bad[2].points[4] = [f64::INFINITY];
    let error = go(&mut Written { passes: vec![pass, bad], ..Written::default() }, &Fit::default()).unwrap_err();
    let FitError::Step { at, source } = &error else { panic!("{error}") };
    assert_eq!((at.epoch, at.step, at.batch, source.row()), (1, 6, 2, Some(4)));
    let error = pdf.fit_stream(&mut stream, None, Fit::default().validate_on([1])).unwrap_err();
    assert!(matches!(error, FitError::Setting { setting: "validate_on", .. }), "{error}");
}
