//! The trainer: it learns, stops, restores, repeats itself, trains an encoder along, and names what goes wrong.

use dfdx::prelude::*;
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
    Fit { epochs, optimizer: Adam { rate: 5e-3, ..Adam::default() }, seed: 3, ..Fit::default() }
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
    let wild = Fit { optimizer: Adam { rate: 0.5, ..Adam::default() }, patience: Some(3), ..short(60) };
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
        self.optimizer.rate = rate;
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
    let before = flow_runtime::trainers::flat_values(&model.0).unwrap();
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
    assert_ne!(flow_runtime::trainers::flat_values(&model.0).unwrap(), before);
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
    assert_eq!(refused(Fit::default().with_rate(-1.0)), "optimizer.rate");
    assert!(matches!(pdf.fit(&[], &Fit::default()), Err(FitError::Setting { setting: "points", .. })));
}

#[test]
fn settings_are_kept_in_files() {
    let fit = Fit { schedule: Schedule::Cosine { warm_up: 10, last: 0.1 }, patience: None, ..Fit::default() };
    let text = serde_json::to_string(&fit).unwrap();
    assert_eq!(serde_json::from_str::<Fit>(&text).unwrap(), fit);
    assert_eq!(serde_json::from_str::<Fit>(r#"{"epochs": 3}"#).unwrap(), Fit { epochs: 3, ..Fit::default() });
}
