//! Results do not depend on the number of threads, bit for bit.

use dfdx::prelude::*;
use flow_runtime::flow;
use flow_runtime::trainers::flat_gradient;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

type Free = flow!(e2 + s2 : gt + f);
type Given = flow!(e2 + s2 : gt + n(hidden_dims = "8") | cond 3, hidden 16);
type Outer = flow!(e1 + s1 : gt + m | cond 3, hidden 5, highway 1, amortize 6(rank = 2, highway = 1), poisson);

const ROWS: usize = 1500;

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn results() -> Vec<Vec<f64>> {
    let dev = Cpu::seed_from_u64(1);
    let mut rng = StdRng::seed_from_u64(2);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let x: Vec<[f64; 4]> = (0..ROWS).map(|_| [normal(), normal(), 1.5 + normal().tanh(), normal()]).collect();
    let features: Vec<[f64; 3]> = (0..ROWS).map(|_| [normal(), normal(), normal()]).collect();
    let free = dev.build_module::<Free, f64>();
    let given = dev.build_module::<Given, f64>();
    let x = dev.tensor_from_vec(x.concat(), (ROWS, Const::<4>));
    let features = dev.tensor_from_vec(features.concat(), (ROWS, Const::<3>));

    let mut out = Vec::new();
    let log_prob = free.log_prob(x.clone().traced(Gradients::leaky())).unwrap();
    out.push(log_prob.as_vec());
    let mut gradients = log_prob.mean::<(), _>().backward();
    out.push(gradients.get(&x).as_vec());
    out.push(flat_gradient(&free, &mut gradients).unwrap());
    let log_prob = given.given(features.clone().traced(Gradients::leaky())).unwrap().log_prob(&x).unwrap();
    out.push(log_prob.as_vec());
    let mut gradients = log_prob.mean::<(), _>().backward();
    out.push(gradients.get(&features).as_vec());
    out.push(flat_gradient(&given, &mut gradients).unwrap());
    let sample = given.given(features.clone().traced(Gradients::leaky())).unwrap();
    let points = sample.rsample(&mut StdRng::seed_from_u64(3)).unwrap().into_points();
    out.push(points.as_vec());
    let mut gradients = points.mean::<(), _>().backward();
    out.push(flat_gradient(&given, &mut gradients).unwrap());

    let outer = dev.build_module::<Outer, f64>();
    let counts: Vec<usize> = (0..ROWS).map(|row| usize::from(row % 3 > 0) * (1 + usize::from(row % 3 == 2))).collect();
    let places: Vec<[f64; 2]> = (0..counts.iter().sum()).map(|_| [normal(), 3.0 + normal().tanh()]).collect();
    let each = outer.given(features.clone().traced(Gradients::leaky())).unwrap();
    let each = each.extended_log_likelihood(&places, &counts).unwrap();
    out.push(each.as_vec());
    let mut gradients = each.mean::<(), _>().backward();
    out.push(gradients.get(&features).as_vec());
    out.push(flat_gradient(&outer, &mut gradients).unwrap());
    out
}

#[test]
fn one_two_and_five_threads_agree_to_the_last_bit() {
    let one = with_threads(1, results);
    assert!(one.iter().flatten().all(|v| v.is_finite()));
    for threads in [2, 5] {
        assert!(with_threads(threads, results) == one, "{threads} threads differ from one");
    }
}
