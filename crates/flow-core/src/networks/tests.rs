use super::mlp::MOST_HIGHWAY;
use super::*;
use crate::numeric::Lanes;
use rand::{SeedableRng, rngs::StdRng};

const WIDTH: usize = 6;
/// A rank for each of as many matrices as a network here has at most.
const MIXED: [usize; 7] = [0, 2, 1, 0, 3, 1, 2];

/// Every mode over several shapes; full, of one rank, and each matrix of another rank.
fn all() -> Vec<OwnedMlp> {
    let shapes: [&[usize]; 6] = [&[2, 4], &[0, 4], &[2, 5, 4], &[7, 9, 6], &[2, 5, 6, 7], &[3, 6, 5, 4, 7]];
    let mut networks = Vec::new();
    for widths in shapes {
        for highway in 0..=MOST_HIGHWAY {
            networks.extend([0, 1, 2].map(|rank| OwnedMlp::from(Mlp::new(widths, rank, highway))));
            let matrices = networks[networks.len() - 1].ranks.len();
            networks.push(OwnedMlp::from(Mlp::with_ranks(widths, &MIXED[..matrices], highway)));
        }
    }
    networks
}

fn numbers(n: usize, seed: f64) -> Vec<f64> {
    (0..n).map(|i| 0.8 * (seed + 1.3 * i as f64).sin()).collect()
}

fn close(a: &[f64], b: &[f64], tolerance: f64, what: &dyn core::fmt::Debug) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() < tolerance, "{what:?}: number {i}, {a} {b}");
    }
}

/// Weights, or their cotangents, with a row of equal numbers for each.
fn rows(weights: &[f64], width: usize) -> Vec<f64> {
    weights.iter().flat_map(|w| vec![*w; width]).collect()
}

/// Activations and output of a block. All space holds NaN before.
fn block(mlp: &Mlp, layout: WeightLayout, weights: &[f64], width: usize, input: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let space = |rows: usize| vec![f64::NAN; rows * width];
    let (mut activations, mut out) = (space(mlp.activations()), space(mlp.outputs()));
    mlp.apply(layout, weights, width, input, &mut activations, &mut out, &mut space(mlp.temp()));
    (activations, out)
}

/// Cotangents of input and weights of a block; of the weights alone unless `wanted`.
fn block_vjp(
    mlp: &Mlp,
    layout: WeightLayout,
    weights: &[f64],
    width: usize,
    input: &[f64],
    cot_out: &[f64],
    wanted: bool,
) -> (Vec<f64>, Vec<f64>) {
    let (activations, _) = block(mlp, layout, weights, width, input);
    let space = |rows: usize| vec![f64::NAN; rows * width];
    let (mut cot_input, mut cot_weights) = (vec![0.0; if wanted { input.len() } else { 0 }], vec![0.0; weights.len()]);
    let (mut cot_activations, mut temp) = (space(mlp.activations()), space(mlp.temp()));
    mlp.apply_vjp(
        layout,
        weights,
        width,
        input,
        &activations,
        &mut cot_activations,
        cot_out,
        &mut cot_input,
        &mut cot_weights,
        &mut temp,
    );
    (cot_input, cot_weights)
}

/// What a network inside a letter gives for one point.
fn in_lanes(mlp: &Mlp, weights: &[f64], input: &[f64]) -> Vec<f64> {
    let (mut hidden, mut output) = (vec![f64::NAN; mlp.hidden()], vec![f64::NAN; mlp.outputs()]);
    mlp.evaluate(weights, input, &mut hidden, &mut output);
    output
}

fn columns(block: &[f64], width: usize) -> Vec<Vec<f64>> {
    (0..width).map(|point| block.iter().skip(point).step_by(width).copied().collect()).collect()
}

#[test]
fn one_network_for_a_block_for_each_point_and_in_lanes_is_the_same() {
    for network in all() {
        let mlp = network.mlp();
        let (weights, input) = (numbers(mlp.params(), 0.3), numbers(mlp.inputs() * WIDTH, 0.9));
        let each = rows(&weights, WIDTH);
        let (_, out) = block(&mlp, WeightLayout::Shared, &weights, WIDTH, &input);
        close(&block(&mlp, WeightLayout::PerPoint, &each, WIDTH, &input).1, &out, 1e-13, &network);
        let cot_out = numbers(out.len(), 0.1);
        let pull = |layout, weights: &[f64]| block_vjp(&mlp, layout, weights, WIDTH, &input, &cot_out, true);
        let (cot_input, cot_weights) = pull(WeightLayout::Shared, &weights);
        let (cot_input_each, cot_each) = pull(WeightLayout::PerPoint, &each);
        close(&cot_input_each, &cot_input, 1e-13, &network);
        let summed: Vec<f64> = cot_each.chunks_exact(WIDTH).map(|row| row.iter().sum()).collect();
        close(&summed, &cot_weights, 1e-12, &network);

        // Points one by one.
        let mut inputs = columns(&input, WIDTH);
        inputs.resize(WIDTH, Vec::new());
        let outs = columns(&out, WIDTH);
        for layout in [WeightLayout::Shared, WeightLayout::PerPoint] {
            for (input, out) in inputs.iter().zip(&outs) {
                close(&block(&mlp, layout, &weights, 1, input).1, out, 1e-13, &network);
            }
        }
        let (cots, wanted) = (columns(&cot_out, WIDTH), columns(&cot_input, WIDTH));
        let mut cot_weights_one = vec![0.0; weights.len()];
        for point in 0..WIDTH {
            let (mut hidden, mut output) = (vec![f64::NAN; mlp.hidden()], vec![f64::NAN; mlp.outputs()]);
            mlp.evaluate(&weights, &inputs[point], &mut hidden, &mut output);
            close(&output, &outs[point], 1e-13, &network);
            let mut cot_input = vec![0.0; mlp.inputs()];
            let cot_weights = &mut cot_weights_one;
            mlp.evaluate_vjp(&weights, &inputs[point], &mut hidden, &cots[point], &mut cot_input, cot_weights);
            close(&cot_input, &wanted[point], 1e-13, &network);
        }
        close(&cot_weights_one, &cot_weights, 1e-12, &network);
    }
}

/// A pack gives in each lane what one number gives, with weights that the lanes share and with weights of their own.
#[test]
fn lanes_are_points() {
    type Pack = Lanes<f64, 4>;
    for network in all() {
        let mlp = network.mlp();
        let (weights, input) = (numbers(mlp.params(), 0.3), numbers(mlp.inputs() * 4, 0.9));
        let packs: Vec<Pack> = input.chunks_exact(4).map(|x| Lanes(core::array::from_fn(|l| x[l]))).collect();
        let own: Vec<Pack> = weights.iter().map(|w| Lanes([*w; 4])).collect();
        let space = |n: usize| vec![Lanes([f64::NAN; 4]); n];
        let (mut hidden, mut shared, mut each) = (space(mlp.hidden()), space(mlp.outputs()), space(mlp.outputs()));
        mlp.evaluate(&own, &packs, &mut hidden, &mut each);
        mlp.evaluate(&weights, &packs, &mut hidden, &mut shared);
        let cots: Vec<Pack> = numbers(mlp.outputs(), 0.1).into_iter().map(|c| Lanes([c; 4])).collect();
        let (mut cot_input, mut cot_weights) = (vec![Lanes([0.0; 4]); packs.len()], vec![Lanes([0.0; 4]); own.len()]);
        mlp.evaluate_vjp(&weights, &packs, &mut hidden, &cots, &mut cot_input, &mut cot_weights);
        for lane in 0..4 {
            let of = |packs: &[Pack]| packs.iter().map(|pack| pack.0[lane]).collect::<Vec<f64>>();
            let wanted = in_lanes(&mlp, &weights, &of(&packs));
            close(&of(&shared), &wanted, 1e-14, &network);
            close(&of(&each), &wanted, 1e-14, &network);
            let (x, cot) = block_vjp(&mlp, WeightLayout::Shared, &weights, 1, &of(&packs), &of(&cots), true);
            close(&of(&cot_input), &x, 1e-13, &network);
            close(&of(&cot_weights), &cot, 1e-13, &network);
        }
    }
}

#[test]
fn cotangents_equal_differences() {
    for network in all() {
        let mlp = network.mlp();
        let (mut weights, mut input) = (numbers(mlp.params(), 0.3), numbers(mlp.inputs() * WIDTH, 0.9));
        let cot_out = numbers(mlp.outputs() * WIDTH, 0.1);
        let (cot_input, cot_weights) = block_vjp(&mlp, WeightLayout::Shared, &weights, WIDTH, &input, &cot_out, true);
        let value = |weights: &[f64], input: &[f64]| -> f64 {
            block(&mlp, WeightLayout::Shared, weights, WIDTH, input).1.iter().zip(&cot_out).map(|(y, c)| y * c).sum()
        };
        // Points to try, and how much each counts.
        const H: f64 = 2e-4;
        const STEPS: [(f64, f64); 4] = [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)];
        for i in 0..weights.len() {
            let (at, mut difference) = (weights[i], 0.0);
            for (step, by) in STEPS {
                weights[i] = at + step * H;
                difference += by * value(&weights, &input) / (12.0 * H);
            }
            weights[i] = at;
            assert!((cot_weights[i] - difference).abs() < 1e-9, "{network:?}: weight {i}, {difference}");
        }
        for i in 0..input.len() {
            let (at, mut difference) = (input[i], 0.0);
            for (step, by) in STEPS {
                input[i] = at + step * H;
                difference += by * value(&weights, &input) / (12.0 * H);
            }
            input[i] = at;
            assert!((cot_input[i] - difference).abs() < 1e-9, "{network:?}: input {i}, {difference}");
        }
    }
}

#[test]
fn cotangents_of_the_weights_do_not_need_those_of_the_input() {
    for network in all() {
        let mlp = network.mlp();
        let (weights, input) = (numbers(mlp.params(), 0.3), numbers(mlp.inputs() * WIDTH, 0.9));
        let (each, cot_out) = (rows(&weights, WIDTH), numbers(mlp.outputs() * WIDTH, 0.1));
        for (layout, weights) in [(WeightLayout::Shared, &weights), (WeightLayout::PerPoint, &each)] {
            let pull = |wanted| block_vjp(&mlp, layout, weights, WIDTH, &input, &cot_out, wanted).1;
            assert_eq!(pull(true), pull(false), "{network:?}");
        }
    }
}

#[test]
fn counts() {
    let full = Mlp::plain(&[2, 5, 3, 4]);
    assert_eq!((Mlp::plain(&[2, 64, 16]).params(), full.params()), (1232, 15 + 18 + 16));
    // 1 -> 64 saves nothing at any rank, 64 -> 16 does.
    let factored = |rank| Mlp::new(&[1, 64, 16], rank, 0).params();
    assert_eq!([1, 2, 3, 4].map(factored), [224, 304, 384, 464]);
    assert_eq!((low_rank(2, 7, 9), low_rank_len(2, 7, 9)), (2, 32));
    assert_eq!((low_rank(2, 3, 2), low_rank_len(2, 3, 2)), (0, 6));
    let highway = |highway| Mlp::new(&[2, 5, 3, 4], 0, highway).params();
    let nets = (15 + 20) + (9 + 12);
    assert_eq!([0, 1, 2, 3, 4].map(highway), [49, 49 - 4 + 12, nets + 12, nets + 6 + 12, nets + 12 + 12]);
    // Hidden layers; then what the second net reads, and the sum's cotangent.
    let activations = |highway| Mlp::new(&[2, 5, 3, 4], 0, highway).activations();
    assert_eq!([0, 1, 2, 3, 4].map(activations), [8, 8, 8, 8 + 4 + 4, 8 + 6 + 4]);
    let ranks = [0, 2, 3];
    let mlp = Mlp::with_ranks(&[7, 9, 6], &ranks, 1);
    assert_eq!((mlp.params(), mlp.temp()), (63 + 9 + 2 * 15 + 3 * 13 + 6, 6));
}

#[test]
fn flat_order() {
    // W1 = (1, 2; 3, 4), b1 = (5, 6), W2 = (7, 8), b2 = 9.
    let weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let output = in_lanes(&Mlp::plain(&[2, 2, 1]), &weights, &[0.1, -0.2]);
    close(&output, &[7.0 * (0.1_f64 - 0.4 + 5.0).tanh() + 8.0 * (0.3_f64 - 0.8 + 6.0).tanh() + 9.0], 1e-14, &"plain");
    close(&in_lanes(&Mlp::plain(&[2, 1]), &[1.0, 2.0, 3.0], &[0.1, -0.2]), &[2.7], 1e-15, &"one matrix");
}

/// The table of modes with one number everywhere: nets of a weight, a bias and a weight, then L.
#[test]
fn modes_are_those_of_the_table() {
    let (x, w) = (0.7_f64, [0.3, 0.2, 1.1, -0.9, 0.4, 0.8, -0.5, 0.6, 0.25]);
    let check = |highway, w: &[f64], wanted: f64| {
        let mlp = Mlp::new(&[1, 1, 1, 1], 0, highway);
        assert_eq!(mlp.params(), w.len());
        close(&in_lanes(&mlp, w, &[x]), &[wanted], 1e-15, &mlp);
        close(&block(&mlp, WeightLayout::Shared, w, 1, &[x]).1, &[wanted], 1e-15, &mlp);
    };
    let net = |w: &[f64], x: f64| w[2] * (w[0] * x + w[1]).tanh();
    let inner = (w[2] * (w[0] * x + w[1]).tanh() + w[3]).tanh();
    check(0, &w[..6], w[4] * inner + w[5]);
    check(1, &w[..7], w[4] * inner + w[5] * x + w[6]);
    let linear = w[6] * x + w[7];
    let first = linear + net(&w, x);
    check(2, &w[..8], first + net(&w[3..], x));
    check(3, &w[..8], first + net(&w[3..], first));
    let first = w[7] * x + w[8] + net(&w, x);
    check(4, &w, first + w[6] * (w[3] * x + w[4] * first + w[5]).tanh());
}

/// A matrix in two factors is their product.
#[test]
fn factors_are_multiplied() {
    let (factored, full) = (Mlp::new(&[4, 5], 2, 0), Mlp::plain(&[4, 5]));
    let own = numbers(factored.params(), 0.3);
    assert_eq!((own.len(), full.params()), (18 + 5, 25));
    let (left, right) = own[..18].split_at(10);
    let product = (0..20).map(|p| (0..2).map(|k| left[p / 4 * 2 + k] * right[k * 4 + p % 4]).sum::<f64>());
    let product: Vec<f64> = product.chain(own[18..].iter().copied()).collect();
    let input = [0.3, -0.8, 1.1, 0.2];
    close(&in_lanes(&factored, &own, &input), &in_lanes(&full, &product, &input), 1e-15, &factored);
}

#[test]
fn the_start_gives_its_output_almost_everywhere() {
    let (mut rng, start) = (StdRng::seed_from_u64(1), [0.3, -0.8, 1.1, 0.0, 0.5, 2.0, 0.7]);
    for network in all() {
        let mlp = network.mlp();
        let (mut weights, start) = (vec![0.0; mlp.params()], &start[..mlp.outputs()]);
        mlp.initial(&mut rng, DAMPING, Some(start), &mut weights);
        let input = &[0.9, -3.0, 0.5, 1.0, 0.2, -0.4, 1.5][..mlp.inputs()];
        for (y, start) in in_lanes(&mlp, &weights, input).iter().zip(start) {
            let exactly = mlp.inputs() + mlp.widths().len() == 2;
            assert!((y - start).abs() < 2e-2 && (exactly || y != start), "{network:?}: {y} {start}");
        }
    }
}

/// Full matrices and their biases keep within the bound; factors and their biases do not, and of a highway the right
/// factor alone.
#[test]
fn what_is_drawn_uniformly_and_what_normally() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut beyond = |mlp: Mlp, parts: &[usize]| -> Vec<bool> {
        let mut weights = vec![0.0; mlp.params()];
        mlp.initial(&mut rng, 1.0, None, &mut weights);
        assert_eq!(parts.iter().sum::<usize>(), weights.len());
        let mut rest = &weights[..];
        let mut beyond = Vec::new();
        for part in parts {
            let (own, after) = rest.split_at(*part);
            beyond.push(own.iter().any(|w| w.abs() > 1.0 / (mlp.inputs() as f64).sqrt()));
            rest = after;
        }
        beyond
    };
    // W1, b1, W2, b2; U1, V1, b1, U2, V2, b2; W1, b1, U2, V2, U, V, b.
    assert_eq!(beyond(Mlp::plain(&[30, 30, 20]), &[900, 30, 600, 20]), [false; 4]);
    assert_eq!(beyond(Mlp::new(&[30, 30, 20], 2, 0), &[60, 60, 30, 40, 60, 20]), [true; 6]);
    let (ranks, parts) = ([0, 2, 2], [900, 30, 40, 60, 40, 60, 20]);
    let wanted = [false, false, true, true, false, true, false];
    assert_eq!(beyond(Mlp::with_ranks(&[30, 30, 20], &ranks, 1), &parts), wanted);
}
