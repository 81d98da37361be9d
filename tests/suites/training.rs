//! The trainer: it learns, stops, restores, repeats itself, trains an encoder along, and names what goes wrong.

use dfdx::prelude::*;
use flow_runtime::trainers::{
    Checkpoint, Checkpointing, Control, Event, Every, Log, NonFinite, Resume, StepLocation, flat_values,
};
use flow_runtime::{Adam, Error, Fit, FitError, Schedule, flow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

type Plane = flow!(e2 : gt(cov_type = "full"));
type Line = flow!(e1 : t | cond 2, hidden 16);

/// A Gaussian far from the origin, of widths 3 and 0.2, correlated; its entropy.
fn plane(rows: usize) -> (Vec<[f64; 2]>, f64) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let points = (0..rows)
        .map(|_| {
            let (a, b) = (normal(), normal());
            [100.0 + 3.0 * a, -50.0 + 0.1 * a + 0.2 * b]
        })
        .collect();
    (points, 1.0 + std::f64::consts::TAU.ln() + f64::ln(3.0 * 0.2))
}

fn short(epochs: usize) -> Fit {
    Fit { epochs, optimizer: Adam { learning_rate: 5e-3, ..Adam::default() }, seed: 3, ..Fit::default() }
}

#[test]
fn starting_from_data_starts_near_the_data() {
    let (points, entropy) = plane(4000);
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    let nll = |pdf: &flow_runtime::Built<Plane, f64>| -pdf.log_prob(&points).unwrap().mean::<(), _>().array();
    assert!(nll(&pdf) > 100.0);
    pdf.initialize_from(&points, 2).unwrap();
    assert!(nll(&pdf) < entropy + 0.2, "{} against {entropy}", nll(&pdf));
    let history = pdf.fit(&points, &short(15)).unwrap();
    assert!(nll(&pdf) < entropy + 0.02, "{} against {entropy}: {history:?}", nll(&pdf));
    let none: [[f64; 2]; 0] = [];
    assert!(matches!(pdf.initialize_from(&none, 2), Err(Error::Empty { .. })));
    assert!(matches!(pdf.initialize_from(&[[f64::NAN, 0.0]], 2), Err(Error::Point { .. })));
}

#[test]
fn a_seed_repeats_a_run_and_the_best_weights_are_kept() {
    let (points, _) = plane(600);
    let run = |fit: &Fit| {
        let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
        pdf.initialize_from(&points, 2).unwrap();
        let history = pdf.fit(&points, fit).unwrap();
        (pdf.flat_weights(), history)
    };
    // A rate that is much too high: validation soon gets worse and the run stops.
    let wild = Fit { optimizer: Adam { learning_rate: 0.5, ..Adam::default() }, patience: Some(3), ..short(60) };
    let (weights, history) = run(&wild);
    assert!(history.stopped_early && history.epochs.len() < 60);
    assert_eq!(history.best + 4, history.epochs.len());
    let best = history.epochs.iter().map(|e| e.validation.unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!(history.best_loss, best);
    let (again, history_again) = run(&wild);
    assert_eq!(weights, again);
    assert_eq!(history.optimizer, history_again.optimizer);
    let (other, _) = run(&Fit { seed: 4, ..wild });
    assert_ne!(weights, other);
    // The kept weights give the loss that was recorded for them: train to just that epoch.
    let (until_best, _) = run(&Fit { epochs: history.best + 1, ..short(60) }.with_rate(0.5));
    assert_eq!(weights, until_best);
}

trait WithRate {
    fn with_rate(self, rate: f64) -> Fit;
}
impl WithRate for Fit {
    fn with_rate(mut self, rate: f64) -> Fit {
        self.optimizer.learning_rate = rate;
        self
    }
}

#[test]
fn gradients_reach_an_encoder_trained_along() {
    // y = product of two hidden numbers that the encoder must find in four given ones.
    let mut rng = StdRng::seed_from_u64(5);
    let raw: Vec<[f64; 4]> = (0..3000).map(|_| std::array::from_fn(|_| rng.sample(StandardNormal))).collect();
    let y: Vec<[f64; 1]> =
        raw.iter().map(|r| [(r[0] - r[1]).tanh() + 0.1 * rng.sample::<f64, _>(StandardNormal)]).collect();
    type Encoder = (Linear<4, 8>, Tanh, Linear<8, 2>);
    let dev = Cpu::seed_from_u64(6);
    let mut model = (dev.build_module::<Encoder, f64>(), dev.build_module::<Line, f64>());
    let before = flat_values(&model.0).unwrap();
    let fit = Fit { schedule: Schedule::Cosine { warm_up: 20, last: 0.1 }, clip: None, ..short(25) };
    let history = fit
        .run(&mut model, raw.len(), |(encoder, flow), rows, gradients| {
            let inputs: Vec<f64> = rows.iter().flat_map(|r| raw[*r]).collect();
            let targets: Vec<f64> = rows.iter().flat_map(|r| y[*r]).collect();
            let inputs = dev.tensor_from_vec(inputs, (rows.len(), Const::<4>)).traced(gradients);
            let targets = dev.tensor_from_vec(targets, (rows.len(), Const::<1>));
            flow.given(encoder.forward(inputs))?.log_prob(targets)
        })
        .unwrap();
    assert_ne!(flat_values(&model.0).unwrap(), before);
    // The noise alone has entropy 1/2 ln(2 pi e) + ln 0.1 = -0.884; without the encoder's help the best is about 0.9.
    assert!(history.best_loss < -0.5, "{}", history.best_loss);
}

#[test]
fn what_goes_wrong_is_named_and_the_best_weights_stay() {
    let (mut points, _) = plane(300);
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    pdf.initialize_from(&points, 2).unwrap();
    let before = pdf.flat_weights();
    points[17][1] = f64::NAN;
    let error = pdf.fit(&points, &short(2)).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("epoch 0, step ") && message.contains("row 17: manifold 0 (`e2`)"), "{message}");
    assert_eq!(pdf.flat_weights(), before);

    // A value beyond the range of f32 appears in the layers: the error names manifold, layer and row.
    let mut narrow = Cpu::seed_from_u64(1).build_module::<flow!(e2 : ttt), f32>();
    let mut far = vec![[0.5_f32, 0.5]; 40];
    far[23][0] = 3e38;
    let mut weights = narrow.flat_weights();
    weights.iter_mut().for_each(|w| *w = -3.0);
    narrow.set_flat_weights(&weights).unwrap();
    let error = narrow.fit(&far, &short(1)).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("row 23") && message.contains("layer 2 (`t`) of manifold 0 (`e2`)"), "{message}");
    assert_eq!(narrow.flat_weights(), weights);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let (points, _) = plane(50);
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    let mut refused = |fit: Fit| match pdf.fit(&points, &fit) {
        Err(FitError::Setting { setting, .. }) => setting,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Fit { batch: 0, ..Fit::default() }), "batch");
    assert_eq!(refused(Fit { validation: 1.0, ..Fit::default() }), "validation");
    assert_eq!(refused(Fit { clip: Some(0.0), ..Fit::default() }), "clip");
    assert_eq!(refused(Fit::default().with_rate(-1.0)), "optimizer.learning_rate");
    assert_eq!(refused(Fit { ema_decay: Some(1.0), ..Fit::default() }), "ema_decay");
    assert_eq!(refused(Fit { steps: Some(0), ..Fit::default() }), "steps");
    let schedule = Schedule::Plateau { warm_up: 0, factor: 1.5, patience: 3, last: 0.0 };
    assert_eq!(refused(Fit { schedule, ..Fit::default() }), "schedule");
    let non_finite = NonFinite::Skip { max_skips: 3, rate_factor: 0.0 };
    assert_eq!(refused(Fit { non_finite, ..Fit::default() }), "non_finite.skip.rate_factor");
    let checkpoint = Some(Checkpointing { every: Every::Steps(0), ..Checkpointing::new("nowhere") });
    assert_eq!(refused(Fit { checkpoint, ..Fit::default() }), "checkpoint.every");
    assert!(!std::path::Path::new("nowhere").exists());
    assert!(matches!(pdf.fit(&[], &Fit::default()), Err(FitError::Setting { setting: "points", .. })));
    for rows in [vec![50], vec![3, 4, 3], (0..50).collect()] {
        let error = pdf.fit(&points, Fit::default().validate_on(rows)).unwrap_err();
        assert!(matches!(error, FitError::Setting { setting: "validate_on" | "validation", .. }), "{error}");
    }
}

#[test]
fn settings_are_kept_in_files() {
    let every = Fit {
        epochs: 7,
        steps: Some(1000),
        batch: 33,
        seed: (1 << 63) - 1,
        validation: 0.25,
        patience: Some(4),
        clip: Some(0.1),
        ema_decay: Some(0.999),
        keep_best: false,
        progress: true,
        optimizer: Adam { learning_rate: 1.0 / 3.0, betas: [0.8, 0.99], epsilon: 1e-9, weight_decay: 0.1 },
        schedule: Schedule::Plateau { warm_up: 3, factor: 0.3, patience: 2, last: 1e-3 },
        non_finite: NonFinite::Skip { max_skips: 3, rate_factor: 0.1 },
        log: Some(Log { path: "run.jsonl".into(), steps: true }),
        checkpoint: Some(Checkpointing {
            every: Every::Minutes(0.1),
            keep: 9,
            resume: Resume::Always,
            ..Checkpointing::new("run")
        }),
    };
    let off = Fit { patience: None, clip: None, ..Fit::default() };
    for fit in [every, off, Fit::default()] {
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<Fit>(&text).unwrap(), fit);
        let text = toml::to_string(&fit).unwrap();
        assert_eq!(toml::from_str::<Fit>(&text).unwrap(), fit, "{text}");
    }
    assert_eq!(serde_json::from_str::<Fit>(r#"{"epochs": 3}"#).unwrap(), Fit { epochs: 3, ..Fit::default() });
    assert_eq!(serde_json::from_str::<Fit>(r#"{"clip": null}"#).unwrap().clip, None);
    assert_eq!(toml::from_str::<Fit>("clip = 3").unwrap().clip, Some(3.0));
    for (text, message) in [
        ("epoch = 3", "unknown field `epoch`, expected one of `epochs`"),
        ("optimizer.lr = 0.1", "unknown field `lr`, expected one of `learning_rate`"),
        (
            "schedule.cosine = { warmup = 3, last = 0.1 }",
            "unexpected keys in table: warmup, available keys: warm_up, last",
        ),
        ("schedule = \"linear\"", "unknown variant `linear`, expected one of `constant`"),
        ("patience = \"never\"", "expected a whole number, or \"off\""),
        ("patience = 2.5", "expected a whole number, or \"off\""),
        ("patience = -1", "expected a whole number, or \"off\""),
        ("checkpoint = { every = { epochs = 3 } }", "missing field `directory`"),
        ("checkpoint = { directory = \"d\", every = { hours = 3 } }", "unknown variant `hours`"),
    ] {
        let error = toml::from_str::<Fit>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn averages_are_those_of_the_weights_and_are_what_is_validated_and_kept() {
    let (points, _) = plane(200);
    let build = || Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    let loss = |pdf: &flow_runtime::Built<Plane, f64>, rows: &[usize], gradients| {
        let x = rows.iter().flat_map(|row| points[*row]).collect();
        pdf.log_prob(Cpu::default().tensor_from_vec(x, (rows.len(), Const::<2>)).traced(gradients))
    };
    let fit = Fit { batch: 50, ema_decay: Some(0.8), keep_best: false, ..short(3) };
    // The weights of each step as the loss meets them, from which the averages are made again by hand.
    let seen = std::cell::RefCell::new(Vec::new());
    let mut pdf = build();
    pdf.initialize_from(&points, 2).unwrap();
    let start = pdf.clone();
    fit.run(&mut pdf, points.len(), |pdf, rows, gradients| {
        if rows.training() {
            seen.borrow_mut().push(pdf.flat_weights());
        }
        loss(pdf, rows, gradients)
    })
    .unwrap();
    let mut plain = start.clone();
    Fit { ema_decay: None, ..fit.clone() }.run(&mut plain, points.len(), |pdf, rows, g| loss(pdf, rows, g)).unwrap();
    let mut seen = seen.into_inner();
    seen.push(plain.flat_weights());
    let mut average = seen[0].clone();
    for (t, weights) in seen.iter().enumerate().skip(1) {
        let memory = f64::min(0.8, (1.0 + t as f64) / (10.0 + t as f64));
        average.iter_mut().zip(weights).for_each(|(a, w)| *a = memory * *a + (1.0 - memory) * w);
    }
    assert_eq!(seen.len(), 13);
    assert_eq!(pdf.flat_weights(), average);
    // They are validated: the recorded loss is theirs.
    let mut best = start.clone();
    let held: Vec<usize> = (180..200).collect();
    let history = best.fit(&points, Fit { keep_best: true, ..fit }.validate_on(held.clone())).unwrap();
    let kept = loss(&best, &held, best.alloc_grads()).unwrap().mean::<(), _>().array();
    assert!((history.best_loss + kept).abs() < 1e-12, "{} {kept}", history.best_loss);
}

#[test]
fn rows_for_validation_are_never_trained_on() {
    let (points, _) = plane(100);
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    let seen = std::cell::RefCell::new([vec![], vec![]]);
    let fit = Fit { batch: 16, ..short(2) };
    let held = [5, 99, 0, 50];
    fit.validate_on(held)
        .run(&mut pdf, points.len(), |pdf, rows, gradients| {
            seen.borrow_mut()[usize::from(rows.training())].extend(rows.iter().copied());
            let x = rows.iter().flat_map(|row| points[*row]).collect();
            pdf.log_prob(Cpu::default().tensor_from_vec(x, (rows.len(), Const::<2>)).traced(gradients))
        })
        .unwrap();
    let [validated, mut trained] = seen.into_inner();
    assert_eq!(validated, [held, held].concat());
    trained.sort_unstable();
    let expected: Vec<usize> = (0..100).filter(|row| !held.contains(row)).flat_map(|row| [row, row]).collect();
    assert_eq!(trained, expected);
}

#[test]
fn schedules_plateaus_and_steps_rule_the_run() {
    let (points, _) = plane(200);
    let run = |fit: &Fit| {
        let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
        pdf.initialize_from(&points, 2).unwrap();
        let mut rates = Vec::new();
        let watched = fit.watch(|event| {
            if let Event::Step { rate, .. } = event {
                rates.push(*rate);
            }
            Control::Continue
        });
        let history = pdf.fit(&points, watched).unwrap();
        (history, rates)
    };
    // 180 rows in batches of 50: four steps an epoch; cut off in the second epoch, which is recorded.
    let schedule = Schedule::Cosine { warm_up: 2, last: 0.0 };
    let fit = Fit { batch: 50, steps: Some(6), schedule, ..short(10) }.with_rate(0.1);
    let (history, rates) = run(&fit);
    assert_eq!((history.epochs.len(), history.optimizer.step, rates.len()), (2, 6, 6));
    let expected: Vec<f64> = (0..6).map(|step| 0.1 * schedule.factor(step, 6)).collect();
    assert_eq!(rates, expected);
    // A rate much too high does not get better: it is lowered after each pair of epochs that is no better than the best.
    let schedule = Schedule::Plateau { warm_up: 0, factor: 0.5, patience: 2, last: 0.01 };
    let fit = Fit { batch: 180, schedule, patience: None, ..short(25) }.with_rate(2.0);
    let (history, rates) = run(&fit);
    let (mut best, mut waited, mut factor) = (f64::INFINITY, 0, 1.0_f64);
    for (epoch, rate) in history.epochs.iter().zip(&rates) {
        assert_eq!(*rate, 2.0 * factor);
        let loss = epoch.validation.unwrap();
        waited = if loss < best { 0 } else { waited + 1 };
        best = best.min(loss);
        if waited == 2 {
            (factor, waited) = ((0.5 * factor).max(0.01), 0);
        }
    }
    assert!(factor < 0.3, "{factor}");
}

/// The squared distance of two lists of weights, relative.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / b.iter().map(|b| b * b).sum::<f64>()
}

#[test]
fn a_poisoned_row_is_found_and_its_step_replayed() {
    let (clean, _) = plane(300);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint =
        |name: &str| Some(Checkpointing { every: Every::Steps(3), ..Checkpointing::new(folder.path().join(name)) });
    let build = || {
        let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
        pdf.initialize_from(&clean, 2).unwrap();
        pdf
    };
    let fit = Fit { batch: 20, ..short(3) };
    let mut points = clean.clone();
    points[17][1] = f64::NAN;

    // By itself: an error that names all, and the step again from its file, into a model that knows nothing.
    let stopping = Fit { checkpoint: checkpoint("stop"), ..fit.clone() };
    let error = build().fit(&points, &stopping).unwrap_err();
    let FitError::Step {
        at: StepLocation { epoch: 0, step, batch, seed, validation: false, replay: Some(file) },
        source,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((step, source.row()), (batch, Some(17)));
    let message = error.to_string();
    for part in [format!("seed {seed:#018x}"), "row 17: manifold 0 (`e2`)".into(), file.display().to_string()] {
        assert!(message.contains(&part), "{message}");
    }
    let mut other = Cpu::seed_from_u64(77).build_module::<Plane, f64>();
    let again = other.fit(&points, stopping.replay(file)).unwrap_err();
    let FitError::Step { at: StepLocation { step: at_step, seed: at_seed, replay: None, .. }, source: at_source } =
        &again
    else {
        panic!("{again}")
    };
    assert_eq!((at_step, at_seed, at_source), (step, seed, source));
    // The model has the weights of that step; with other data the file is refused.
    assert_ne!(other.flat_weights(), Cpu::seed_from_u64(77).build_module::<Plane, f64>().flat_weights());
    assert!(matches!(other.fit(&clean, stopping.replay(file)), Err(FitError::Checkpoint(_))));

    // Passed over: the weights stay, the run ends, and the row has been named once an epoch.
    let non_finite = NonFinite::Skip { max_skips: 3, rate_factor: 0.5 };
    let mut pdf = build();
    let history = pdf.fit(&points, &Fit { non_finite, ..fit.clone() }).unwrap();
    assert_eq!(history.skipped.iter().map(|skipped| skipped.epoch).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(history.skipped.iter().all(|skipped| skipped.reason.contains("row 17")));
    // The rate is not lowered for a fault of the data.
    assert!(history.epochs.iter().all(|epoch| epoch.rate == fit.optimizer.learning_rate));
    let mut reference = build();
    reference.fit(&clean, &fit).unwrap();
    assert!(apart(&pdf.flat_weights(), &reference.flat_weights()) < 1e-4);
    // One more than is allowed.
    let non_finite = NonFinite::Skip { max_skips: 2, rate_factor: 1.0 };
    let error = build().fit(&points, &Fit { non_finite, ..fit.clone() }).unwrap_err();
    assert!(matches!(error, FitError::Step { at: StepLocation { epoch: 2, .. }, .. }), "{error}");
    // Among the rows for validation it cannot be passed over.
    let error = build().fit(&points, fit.validate_on([16, 17])).unwrap_err();
    assert!(
        matches!(&error, FitError::Step { at: StepLocation { validation: true, .. }, source } if source.row() == Some(17)),
        "{error}"
    );
    assert!(error.to_string().contains("validation after epoch 0, batch 0"), "{error}");
    let validating = Fit { checkpoint: checkpoint("validation"), steps: Some(2), ..fit };
    let error = build().fit(&points, validating.validate_on([16, 17])).unwrap_err();
    let FitError::Step { at: StepLocation { replay: Some(file), .. }, source } = &error else { panic!("{error}") };
    let again = build().fit(&points, validating.validate_on([16, 17]).replay(file)).unwrap_err();
    assert!(
        matches!(&again, FitError::Step { at: StepLocation { validation: true, .. }, source: same } if same == source)
    );
}

#[test]
fn losses_and_gradients_that_are_not_finite_are_found_by_row() {
    let (points, _) = plane(100);
    let build = || Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    // The root of 0 has no derivative: the value of row 61 is finite, its gradient is not.
    let rooted = |bad: f64| {
        let points = &points;
        move |pdf: &flow_runtime::Built<Plane, f64>, rows: &[usize], gradients: Gradients<f64, Cpu>| {
            let x = rows.iter().flat_map(|row| points[*row]).collect();
            let p = pdf.log_prob(Cpu::default().tensor_from_vec(x, (rows.len(), Const::<2>)).traced(gradients))?;
            let under = rows.iter().map(|row| if *row == 61 { bad } else { 1.0 }).collect();
            Ok((p * 0.0 + Cpu::default().tensor_from_vec(under, (rows.len(),))).sqrt())
        }
    };
    let (root, negative) = (rooted(0.0), rooted(-1.0));
    let fit = Fit { batch: 10, validation: 0.0, ..short(1) };
    let mut pdf = build();
    let before = pdf.flat_weights();
    let error = fit.run(&mut pdf, 100, |pdf, rows, gradients| root(pdf, rows, gradients)).unwrap_err();
    let FitError::Gradient { part, row: Some(61), .. } = &error else { panic!("{error}") };
    assert!(part.starts_with("tensor `"), "{part}");
    assert!(error.to_string().contains(&format!("the gradient of {part} by row 61 is not finite")), "{error}");
    assert_eq!(pdf.flat_weights(), before);
    let error = fit.run(&mut pdf, 100, |pdf, rows, gradients| negative(pdf, rows, gradients)).unwrap_err();
    assert!(matches!(error, FitError::Loss { row: 61, value, .. } if value.is_nan()), "{error}");
    assert!(error.to_string().contains("the loss function gives NaN for row 61"), "{error}");
    // Finite numbers with a sum that is not.
    let error = fit
        .run(&mut pdf, 100, |pdf, rows, gradients| {
            let far = rows.iter().map(|row| if *row == 61 { 1e308 } else { 0.9e308 }).collect();
            let p = root(pdf, rows, gradients)?;
            Ok(p * 0.0 + Cpu::default().tensor_from_vec(far, (rows.len(),)))
        })
        .unwrap_err();
    assert!(matches!(error, FitError::Loss { value, .. } if value >= 0.9e308), "{error}");
    // A loss that returns nothing, and one that fails by itself.
    let error = fit
        .run(&mut pdf, 100, |pdf, _, gradients| {
            pdf.log_prob(&[[0.0, 0.0]])?;
            Ok(Cpu::default().zeros_like(&(0usize,)).traced(gradients))
        })
        .unwrap_err();
    assert!(matches!(error, FitError::Nothing { .. }), "{error}");
}

#[test]
fn after_a_step_too_far_the_weights_go_back_and_the_rate_is_lowered() {
    let (points, _) = plane(400);
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    pdf.initialize_from(&points, 2).unwrap();
    let near = pdf.flat_weights();
    // Finite only near the start: a step of this rate leaves it.
    let run = |pdf: &mut flow_runtime::Built<Plane, f64>, non_finite| {
        let fit = Fit { batch: 90, non_finite, validation: 0.0, ..short(8) }.with_rate(1.0);
        let rates = std::cell::RefCell::new(Vec::new());
        let watched = fit.watch(|event| {
            if let Event::Step { rate, .. } = event {
                rates.borrow_mut().push(*rate);
            }
            Control::Continue
        });
        let result = watched.run(pdf, 400, |pdf, rows, gradients| {
            let far = apart(&pdf.flat_weights(), &near) > 1e-6;
            let x = rows.iter().flat_map(|row| points[*row]).collect();
            let p = pdf.log_prob(Cpu::default().tensor_from_vec(x, (rows.len(), Const::<2>)).traced(gradients))?;
            Ok(if far { p * f64::NAN } else { p })
        });
        (result, rates.into_inner())
    };
    let (result, _) = run(&mut pdf.clone(), NonFinite::Stop);
    assert!(matches!(result, Err(FitError::Loss { at: StepLocation { step: 1, .. }, .. })), "{result:?}");
    let (result, rates) = run(&mut pdf, NonFinite::Skip { max_skips: 30, rate_factor: 0.1 });
    let history = result.unwrap();
    assert!((2..10).contains(&history.skipped.len()), "{:?}", history.skipped);
    // Each time the rate falls by ten.
    assert!((rates.last().unwrap() / 0.1_f64.powi(history.skipped.len() as i32) - 1.0).abs() < 1e-9, "{rates:?}");
    assert!(apart(&pdf.flat_weights(), &near) <= 1e-6);
    assert_eq!(history.optimizer.step as usize + 2 * history.skipped.len(), 8 * 5, "a step back and a batch each");
}

#[test]
fn callbacks_see_all_and_the_log_keeps_it() {
    let (points, _) = plane(100);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("run.jsonl");
    let fit = Fit {
        batch: 30,
        log: Some(Log { path: log.clone(), steps: true }),
        checkpoint: Some(Checkpointing { every: Every::Epochs(2), ..Checkpointing::new(folder.path().join("run")) }),
        ..short(4)
    };
    let mut pdf = Cpu::seed_from_u64(1).build_module::<Plane, f64>();
    let seen = std::cell::RefCell::new(String::new());
    let letter = |event: &Event<'_>| {
        let letter = match event {
            Event::Step { .. } => 's',
            Event::Epoch { .. } => 'e',
            Event::Checkpoint { .. } => 'c',
            Event::Resumed { epoch: 2, step: 6, .. } => 'r',
            _ => '?',
        };
        seen.borrow_mut().push(letter);
        Control::Continue
    };
    let stop = |event: &Event<'_>| match event {
        Event::Step { step: 7, .. } => Control::Stop,
        _ => Control::Continue,
    };
    // Stopped in the third epoch, which is recorded; then resumed from before that, with a torn line in the log.
    let history = pdf.fit(&points, fit.watch(letter).watch(stop)).unwrap();
    assert!(history.stopped_early && !history.paused && history.epochs.len() == 3);
    assert_eq!(seen.take(), "sssesssecssec");
    let newest = Checkpoint::newest(folder.path().join("run")).unwrap().unwrap();
    std::fs::remove_file(newest).unwrap();
    let mut text = std::fs::read_to_string(&log).unwrap();
    text += "{\"event\":\"st";
    std::fs::write(&log, &text).unwrap();
    let history = pdf.fit(&points, fit.watch(letter)).unwrap();
    assert_eq!((history.epochs.len(), seen.take()), (4, "rsssesssec".into()));
    let whole = std::fs::read_to_string(&log).unwrap();
    assert!(whole.starts_with(&(text + "\n")));
    let lines: Vec<_> = whole.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).collect();
    let events: String = lines.iter().map(|line| line["event"].as_str().unwrap().chars().last().unwrap()).collect();
    // starteD steP epocH endeD resumeD
    assert_eq!(events, "dppphppphpphddppphppphd");
    assert_eq!(whole.lines().count(), lines.len() + 1);
    let losses: Vec<f64> = lines.iter().filter_map(|line| line["validation"].as_f64()).collect();
    let recorded: Vec<f64> = history.epochs.iter().map(|epoch| epoch.validation.unwrap()).collect();
    assert_eq!((&losses[..2], &losses[3..]), (&recorded[..2], &recorded[2..]));
    assert_eq!(lines[0]["weights"].as_u64().unwrap() as usize, flat_values(&pdf).unwrap().len());
}
