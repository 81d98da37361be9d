//! Checkpoints: a resumed run is the run that was never stopped, bit for bit; a kill at any moment leaves a whole file; what is not what it was is refused.

use dfdx::prelude::*;
use flow_runtime::data::{DataError, Rows, Stream};
use flow_runtime::trainers::{
    Checkpoint, CheckpointError, Checkpointing, Control, Event, Every, History, Log, NonFinite, Resume, Skipped,
};
use flow_runtime::{Adam, Fit, FitError, Schedule, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

type Pdf = flow!(e1 : gt(num_kde = 3) | cond 1, hidden 6);

const ROWS: usize = 110;
/// 99 training rows in batches of 20: 5 steps an epoch.
const STEPS: usize = 5;

/// A straight line with noise.
fn data() -> (Vec<[f64; 1]>, Vec<[f64; 1]>) {
    let mut rng = StdRng::seed_from_u64(1);
    let x: Vec<[f64; 1]> = (0..ROWS).map(|_| [rng.random_range(-1.0..1.0)]).collect();
    let y = x.iter().map(|x| [2.0 * x[0] + 0.3 * rng.sample::<f64, _>(StandardNormal)]).collect();
    (x, y)
}

fn narrow(rows: Vec<[f64; 1]>) -> Vec<[f32; 1]> {
    rows.into_iter().map(|row| row.map(|x| x as f32)).collect()
}

/// Batches that are drawn anew in each pass, as many as `batches` says.
struct Drawn<E> {
    batches: usize,
    next: usize,
    rng: StdRng,
    number: fn(f64) -> E,
}

impl<E> Drawn<E> {
    fn new(batches: usize, number: fn(f64) -> E) -> Self {
        Drawn { batches, next: usize::MAX, rng: StdRng::seed_from_u64(0), number }
    }
}

impl<E> Stream for Drawn<E> {
    type Batch = Rows<1, 1, E>;
    fn start(&mut self, epoch: usize, seed: u64) -> Result<(), DataError> {
        self.rng = StdRng::seed_from_u64(seed + 1000 * epoch as u64);
        self.next = 0;
        Ok(())
    }
    fn next_batch(&mut self) -> Result<Option<Rows<1, 1, E>>, DataError> {
        if self.next >= self.batches {
            return Ok(None);
        }
        self.next += 1;
        let x: Vec<f64> = (0..16).map(|_| self.rng.random_range(-1.0..1.0)).collect();
        let points = x.iter().map(|x| [(self.number)(2.0 * x + 0.3 * self.rng.sample::<f64, _>(StandardNormal))]);
        let points = points.collect();
        Ok(Some(Rows { features: x.iter().map(|x| [(self.number)(*x)]).collect(), points }))
    }
}

/// All settings that have a memory of their own, in turns.
fn settings() -> Vec<(&'static str, Fit)> {
    let base = Fit { epochs: 6, batch: 20, seed: 3, patience: None, ..Fit::default() };
    let quick = Adam { learning_rate: 0.05, ..Adam::default() };
    let averaged = Fit { ema_decay: Some(0.9), clip: Some(0.5), ..base.clone() };
    vec![
        ("cosine", Fit { schedule: Schedule::Cosine { warm_up: 7, last: 0.01 }, ..base.clone() }),
        ("averages and stairs, the last weights", {
            let schedule = Schedule::Stairs { warm_up: 2, every: 4, factor: 0.7 };
            Fit { schedule, keep_best: false, ..averaged.clone() }
        }),
        ("plateau and decay", {
            let schedule = Schedule::Plateau { warm_up: 0, factor: 0.3, patience: 1, last: 0.01 };
            let optimizer = Adam { learning_rate: 0.5, weight_decay: 0.05, ..quick };
            Fit { schedule, optimizer, ..averaged }
        }),
        (
            "patience",
            Fit { optimizer: Adam { learning_rate: 0.9, ..quick }, patience: Some(2), epochs: 12, ..base.clone() },
        ),
        (
            "steps",
            Fit {
                optimizer: quick,
                steps: Some(13),
                schedule: Schedule::Exponential { warm_up: 3, half: 8.0 },
                ..base
            },
        ),
    ]
}

fn without_seconds(mut history: History) -> History {
    history.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    history
}

/// Makes a run in one go, and then in pieces that end after these steps, each piece with a model of its own; compares everything.
fn pieces<T: PartialEq + std::fmt::Debug>(
    name: &str,
    fit: &Fit,
    stops: &[usize],
    run: impl Fn(&Fit, Option<usize>) -> (T, History),
) {
    let (weights, history) = run(fit, None);
    let history = without_seconds(history);
    for every in [Every::Steps(4), Every::Epochs(2)] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpointing { every, ..Checkpointing::new(folder.path().join("run")) };
        let fit = Fit { checkpoint: Some(checkpoint), ..fit.clone() };
        for stop in stops {
            let (_, part) = run(&fit, Some(*stop));
            assert!(part.paused, "{name}: stop after step {stop}");
        }
        let (again, resumed) = run(&fit, None);
        assert_eq!(weights, again, "{name}");
        assert_eq!(history, without_seconds(resumed), "{name}");
        // A run that has ended ends again, with the same.
        let (again, resumed) = run(&Fit { progress: false, ..fit }, None);
        assert_eq!((&weights, &history), (&again, &without_seconds(resumed)), "{name}");
    }
}

fn pause_after(stop: Option<usize>) -> impl FnMut(&Event<'_>) -> Control {
    move |event| match event {
        Event::Step { step, .. } | Event::Skipped(Skipped { step, .. }) if Some(*step) == stop => Control::Pause,
        _ => Control::Continue,
    }
}

/// In the middle of an epoch, twice in one, at the end of one, and across several.
const STOPS: [&[usize]; 3] = [&[2], &[STEPS - 1, STEPS, STEPS + 2], &[2 * STEPS - 1, 2 * STEPS + 1]];

macro_rules! resumes {
    ($name:ident, $number:ty, $narrow:expr) => {
        #[test]
        fn $name() {
            let (x, y) = data();
            let (x, y) = ($narrow(x), $narrow(y));
            // Each piece starts from other weights: nothing may come from them.
            let mut start = std::cell::Cell::new(0);
            let mut build = || {
                *start.get_mut() += 1;
                Cpu::seed_from_u64(start.get()).build_module::<Pdf, $number>()
            };
            let first = build().flat_weights();
            let build = std::cell::RefCell::new(build);
            let model = |fresh: bool| {
                let mut pdf = (build.borrow_mut())();
                if fresh {
                    pdf.set_flat_weights(&first).unwrap();
                }
                pdf
            };
            let fresh = |fit: &Fit| match &fit.checkpoint {
                Some(c) => Checkpoint::newest(&c.directory).unwrap().is_none(),
                None => true,
            };
            for (name, fit) in settings() {
                for stops in STOPS {
                    pieces(name, &fit, stops, |fit, stop| {
                        let mut pdf = model(fresh(fit));
                        let history = pdf.fit(&x, &y, fit.watch(pause_after(stop))).unwrap();
                        (pdf.flat_weights(), history)
                    });
                }
                pieces(&format!("{name}, streamed"), &fit, STOPS[2], |fit, stop| {
                    let mut pdf = model(fresh(fit));
                    let mut stream = Drawn::new(STEPS, |x| x as $number);
                    let mut held = Drawn::new(2, |x| x as $number);
                    let steps = fit.steps.or(Some(fit.epochs * STEPS));
                    let fit = Fit { steps, ..fit.clone() };
                    let history = pdf.fit_stream(&mut stream, Some(&mut held), fit.watch(pause_after(stop))).unwrap();
                    (pdf.flat_weights(), history)
                });
            }
            // A loss with noise of its own, and the guard: the second batch after the stop fails, then the very first.
            let guarded = Fit {
                non_finite: NonFinite::Skip { max_skips: 3, rate_factor: 0.5 },
                ema_decay: Some(0.9),
                ..settings()[0].1.clone()
            };
            for stops in STOPS {
                pieces("guarded", &guarded, stops, |fit, stop| {
                    let mut pdf = model(fresh(fit));
                    let watched = fit.watch(pause_after(stop));
                    let history = watched.run(&mut pdf, ROWS, |pdf, rows, gradients| {
                        let mut rng = rows.rng();
                        let features: Vec<[$number; 1]> = rows.iter().map(|row| x[*row]).collect();
                        let mut noisy = |row: &usize| [y[*row][0] + rng.random_range(-0.1..0.1)];
                        let points: Vec<[$number; 1]> = rows.iter().map(&mut noisy).collect();
                        let features = Cpu::default().tensor_from_vec(features.concat(), (rows.len(), Const::<1>));
                        let density = pdf.given(features.traced(gradients))?.log_prob(&points)?;
                        let bad = rows.training() && [3, STEPS, 2 * STEPS].contains(&rows.step());
                        Ok(if bad { density * <$number>::INFINITY } else { density })
                    });
                    let history = history.unwrap();
                    let due =
                        [3, STEPS, 2 * STEPS].iter().filter(|step| stop.is_none_or(|stop| **step <= stop)).count();
                    assert_eq!(history.skipped.len(), due);
                    (pdf.flat_weights(), history)
                });
            }
        }
    };
}
resumes!(a_resumed_run_is_the_run_that_was_never_stopped, f64, |rows| rows);
resumes!(a_resumed_run_is_the_run_that_was_never_stopped_f32, f32, narrow);

#[test]
fn a_run_that_has_ended_can_be_made_longer() {
    let (x, y) = data();
    let folder = tempfile::tempdir().unwrap();
    let run = |epochs: usize, checkpoint: Option<Checkpointing>| {
        let mut pdf = Cpu::default().build_module::<Pdf, f64>();
        let history = pdf.fit(&x, &y, &Fit { epochs, batch: 20, checkpoint, ..Fit::default() }).unwrap();
        (pdf.flat_weights(), without_seconds(history))
    };
    let straight = run(5, None);
    run(2, Some(Checkpointing::new(folder.path())));
    assert_eq!(run(5, Some(Checkpointing::new(folder.path()))), straight);
}

// ---- killed at any moment ------------------------------------------------------------------------------------------

const CHILD: &str = "FLOW_CHECKPOINTS_OF_CHILD";
const KILLS: u64 = 20;

fn endless(directory: &Path, every: Every) -> Fit {
    Fit {
        epochs: 20,
        batch: 20,
        patience: None,
        ema_decay: Some(0.99),
        non_finite: NonFinite::Skip { max_skips: 5, rate_factor: 0.5 },
        checkpoint: Some(Checkpointing { every, keep: 2, ..Checkpointing::new(directory) }),
        log: Some(Log { path: directory.with_extension("jsonl"), steps: true }),
        ..Fit::default()
    }
}

/// Not a test by itself: what the test below starts and kills. It writes a checkpoint after every step.
#[test]
fn child_that_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let (x, y) = data();
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    pdf.fit(&x, &y, &endless(Path::new(&directory), Every::Steps(1))).unwrap();
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_checkpoint_that_ends_as_if_nothing_had_been() {
    let (x, y) = data();
    let finish = |fit: &Fit| {
        let mut pdf = Cpu::default().build_module::<Pdf, f64>();
        let history = pdf.fit(&x, &y, fit).unwrap();
        (pdf.flat_weights(), without_seconds(history))
    };
    let folder = tempfile::tempdir().unwrap();
    let straight = finish(&Fit { checkpoint: None, log: None, ..endless(folder.path(), Every::Epochs(1)) });
    let run = folder.path().join("run");
    let seed: u64 = rand::rng().random();
    println!("seed of the kills: {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut while_writing, mut at) = (0, Vec::new());
    for kill in 0..KILLS {
        let before = Checkpoint::newest(&run).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed"])
            .env(CHILD, &run)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // It runs once it has written another file; it may also be done.
        while Checkpoint::newest(&run).unwrap() == before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(rng.random_range(0..40_000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let unfinished = |name: &str| name.ends_with(".tmp");
        let names = std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name());
        while_writing += usize::from(names.into_iter().any(|name| unfinished(name.to_str().unwrap())));
        let newest = Checkpoint::newest(&run).unwrap().expect("the child wrote one");
        at.push(Checkpoint::read(&newest).unwrap().step());
        // Resumed elsewhere, so that the next child goes on from here.
        let copy = folder.path().join(format!("copy{kill}"));
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(&run).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        assert_eq!(finish(&endless(&copy, Every::Epochs(1000))), straight, "kill {kill}");
        let left = std::fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| !unfinished(name.to_str().unwrap())));
    }
    println!("killed after steps {at:?}, {while_writing} times while a file was written");
    // The log has every step up to the last kill, whole lines, the same numbers whenever a step was made again.
    let log = std::fs::read_to_string(run.with_extension("jsonl")).unwrap();
    let mut steps = std::collections::BTreeMap::new();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["event"] == "step" {
            let step = line["step"].as_u64().unwrap();
            let loss = line["loss"].as_f64().unwrap();
            assert_eq!(*steps.entry(step).or_insert(loss), loss, "step {step}");
        }
    }
    let last = *at.iter().max().unwrap() as u64;
    assert!((0..last).all(|step| steps.contains_key(&step)));
}

// ---- what is refused -----------------------------------------------------------------------------------------------

/// A run of a few steps; the content of its newest checkpoint.
fn written(folder: &Path) -> (Fit, Vec<u8>) {
    let (x, y) = data();
    let fit = Fit { epochs: 2, batch: 50, checkpoint: Some(Checkpointing::new(folder)), ..Fit::default() };
    Cpu::default().build_module::<Pdf, f64>().fit(&x, &y, &fit).unwrap();
    let content = std::fs::read(Checkpoint::newest(folder).unwrap().unwrap()).unwrap();
    (fit, content)
}

/// CRC-32, bit by bit.
fn crc(content: &[u8]) -> u32 {
    !content.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

/// Changes text of the header, of the same length, and sets the checksum right again.
fn resealed(content: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let place = |of: &str| content.windows(of.len()).position(|w| w == of.as_bytes()).unwrap();
    let mut changed = content.to_vec();
    changed[place(from)..][..to.len()].copy_from_slice(to.as_bytes());
    let at = place("\"checksum\":\"") + 12;
    changed[at..at + 8].fill(b'0');
    let checksum = format!("{:08x}", crc(&changed));
    changed[at..at + 8].copy_from_slice(checksum.as_bytes());
    changed
}

#[test]
fn a_file_that_is_cut_short_or_changed_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (_, content) = written(folder.path());
    let path = folder.path().join("damaged");
    let read = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        match Checkpoint::read(&path) {
            Err(CheckpointError::Damaged { reason, .. }) => reason,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("taken for whole"),
        }
    };
    for length in (0..content.len()).step_by(7).chain([content.len() - 1]) {
        let reason = read(&content[..length]);
        assert!(reason.contains("cut short") || reason.contains("end before its header does"), "{length}: {reason}");
    }
    assert!(read(&[&content[..], &[0]].concat()).contains("changed after it was written"));
    let mut rng = StdRng::seed_from_u64(4);
    for at in 0..content.len() {
        let mut changed = content.clone();
        changed[at] ^= 1 << rng.random_range(0..8);
        assert!(!read(&changed).is_empty(), "byte {at}");
    }
    // What is whole is read: the loops above refuse the damage, not the file.
    std::fs::write(&path, &content).unwrap();
    Checkpoint::read(&path).unwrap();
    // A run does not go on from it in silence, and leaves the model as it was.
    let (x, y) = data();
    let newest = Checkpoint::newest(folder.path()).unwrap().unwrap();
    std::fs::write(&newest, &content[..content.len() / 2]).unwrap();
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    let before = pdf.flat_weights();
    let fit = Fit { epochs: 2, batch: 50, checkpoint: Some(Checkpointing::new(folder.path())), ..Fit::default() };
    let error = pdf.fit(&x, &y, &fit).unwrap_err();
    assert!(matches!(error, FitError::Checkpoint(CheckpointError::Damaged { .. })), "{error}");
    assert!(error.to_string().contains("remove it to go on from the one before it"), "{error}");
    assert_eq!(pdf.flat_weights(), before);
}

#[test]
fn another_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (_, content) = written(folder.path());
    let path = folder.path().join("other");
    let read = |from: &str, to: &str| {
        std::fs::write(&path, resealed(&content, from, to)).unwrap();
        Checkpoint::read(&path).map(|_| ()).unwrap_err().to_string()
    };
    let error = read("flow-compiler checkpoint 2", "flow-compiler checkpoint 9");
    assert!(
        error.contains("written as `flow-compiler checkpoint 9`, but this version reads `flow-compiler checkpoint 2`"),
        "{error}"
    );
    assert!(error.contains("flow-runtime 0.1.0"), "{error}");
    let error = read("flow-compiler checkpoint 2", "somebody else's checkpoint");
    assert!(error.contains("its format is `somebody else's checkpoint`"), "{error}");
}

/// A run that version 0.1.0 began, with checkpoints of format 1: their model names only options that differ from their defaults, in the words of Rust.
#[test]
fn a_run_of_format_1_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let name = "checkpoint-000000000007.safetensors";
    let begin = || {
        let old: std::path::PathBuf = [env!("CARGO_MANIFEST_DIR"), "old", "run", name].iter().collect();
        std::fs::copy(old, folder.path().join(name)).unwrap();
    };
    begin();
    let points: Vec<[f64; 1]> = (0..40).map(|i| [(f64::from(i) * 0.37).sin()]).collect();
    let checkpoint = Checkpointing { every: Every::Steps(4), ..Checkpointing::new(folder.path()) };
    let optimizer = Adam { learning_rate: 0.05, ..Adam::default() };
    let fit = Fit { epochs: 4, batch: 10, patience: None, optimizer, checkpoint: Some(checkpoint), ..Fit::default() };
    let error = Cpu::default().build_module::<flow!(e1 : t), f64>().fit(&points, &fit).unwrap_err().to_string();
    assert!(error.contains("softplus_for_width = 1\n") && error.contains("softplus_for_width = 0\n"), "{error}");

    let mut pdf = Cpu::default().build_module::<flow!(e1 : t(softplus_for_width = 1)), f64>();
    pdf.fit(&points, &fit).unwrap();
    // The weights that the run in one go had there.
    for (weight, expected) in pdf.flat_weights().iter().zip([0.04591769233820263, -0.051740676573548264]) {
        assert!((weight - expected).abs() < 1e-12, "{weight} {expected}");
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let (fit, _) = written(folder.path());
    let (x, y) = data();
    let difference = |result: Result<History, FitError>| match result {
        Err(FitError::Checkpoint(CheckpointError::Other { what, found, expected, .. })) => [what, found, expected],
        other => panic!("{other:?}"),
    };
    macro_rules! flow_differs {
        ($flow:ty, $number:ty, $x:expr, $y:expr) => {
            difference(Cpu::default().build_module::<$flow, $number>().fit($x, $y, &fit))
        };
    }
    let [what, found, expected] = flow_differs!(flow!(e1 : tt | cond 1, hidden 6), f64, &x, &y);
    assert_eq!(what, "model");
    assert!(found.contains("e1 : g t [") && expected.contains("e1 : t t"), "{found}\n{expected}");
    // As many weights, another option.
    let [what, found, expected] =
        flow_differs!(flow!(e1 : gt(num_kde = 3, softplus_for_width = 1) | cond 1, hidden 6), f64, &x, &y);
    assert_eq!(what, "model");
    let at = "layer 0 (`g`) of manifold 0 (`e1`): softplus_for_width";
    assert_eq!([found, expected], [format!("{at} = 0"), format!("{at} = 1")]);
    let [what, found, expected] = flow_differs!(Pdf, f32, &narrow(x.clone()), &narrow(y.clone()));
    assert_eq!([what, found, expected], ["number type", "f64", "f32"]);
    let mut other = y.clone();
    other[5][0] += 1e-9;
    let [what, found, expected] = flow_differs!(Pdf, f64, &x, &other);
    assert!(what == "data" && found != expected && found.contains("110 rows, 11 for validation"), "{found}");
    let mut pdf = Cpu::default().build_module::<Pdf, f64>();
    let [what, found, expected] = difference(pdf.fit(&x, &y, &Fit { batch: 51, ..fit.clone() }));
    assert_eq!([what.as_str(), &found, &expected], ["setting `batch`", "50", "51"]);
    let cosine = Fit { schedule: Schedule::Cosine { warm_up: 0, last: 0.1 }, ..fit.clone() };
    let [what, ..] = difference(pdf.fit(&x, &y, &cosine));
    assert!(what.starts_with("setting `"), "{what}");
    // A module around a flow is known by its tensors and its type.
    let newest = Checkpoint::read(Checkpoint::newest(folder.path()).unwrap().unwrap()).unwrap();
    let mut encoder = Cpu::default().build_module::<(Linear<2, 3>, Tanh), f64>();
    let error = newest.load_weights(&mut encoder).unwrap_err().to_string();
    assert!(error.contains("its tensor 0 is") && error.contains("`0.weight` with 6 numbers"), "{error}");
}

#[test]
fn directories_are_kept_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("deep/run");
    let (x, y) = data();
    let fit = |resume, keep| {
        let checkpoint = Checkpointing { resume, keep, ..Checkpointing::new(&run) };
        Fit { epochs: 5, batch: 20, checkpoint: Some(checkpoint), ..Fit::default() }
    };
    let go = |fit: &Fit| Cpu::default().build_module::<Pdf, f64>().fit(&x, &y, fit).map(|history| history.epochs.len());
    let error = go(&fit(Resume::Always, 3)).unwrap_err().to_string();
    assert!(error.contains("there is no checkpoint to resume from"), "{error}");
    assert_eq!(go(&fit(Resume::Never, 3)).unwrap(), 5);
    let names = || {
        let entries = std::fs::read_dir(&run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    let step = |step: usize| format!("checkpoint-{step:012}.safetensors");
    assert_eq!(names(), [step(15), step(20), step(25)]);
    let error = go(&fit(Resume::Never, 3)).unwrap_err().to_string();
    assert!(error.contains("a run that starts anew would overwrite"), "{error}");
    assert_eq!(names().len(), 3);
    // What a killed writer left is removed; other files stay.
    std::fs::write(run.join("checkpoint-000000000026.safetensors.77.tmp"), "half").unwrap();
    std::fs::write(run.join("notes.tmp"), "mine").unwrap();
    assert_eq!(go(&fit(Resume::Always, 3)).unwrap(), 5);
    assert_eq!(names(), [&step(15), &step(20), &step(25), "notes.tmp"]);
    // Something that is no directory.
    let checkpoint = Checkpointing::new(run.join("notes.tmp"));
    let error = go(&Fit { checkpoint: Some(checkpoint), ..Fit::default() }).unwrap_err();
    assert!(matches!(error, FitError::Checkpoint(CheckpointError::Io { .. })), "{error}");
}
