//! What a workload's arithmetic alone would take: its elementary functions and multiply-adds at the rates that one core reaches on them.
//!
//! Counted is what the mathematics asks for, not what the program does: a mixture of ten components takes ten exponentials, the logarithms of its density and of its
//! smaller tail, and some 200 operations; a matrix two operations for each weight and point, six with both gradients. Not counted are loads, stores, square
//! roots, and what the tails of a distribution need beyond its centre.

use flow_runtime::numeric::{Lift, Pack, Real, Scalar, WithPack, Work};
use std::hint::black_box;
use std::time::Instant;

/// Seconds on one core for one of each.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// e^x.
    pub exp: f64,
    /// ln x.
    pub ln: f64,
    /// An addition or a multiplication.
    pub flop: f64,
}

/// What one row of a workload asks for.
#[derive(Clone, Copy)]
struct Counts {
    exp: f64,
    ln: f64,
    flop: f64,
}

impl Counts {
    const fn new(exp: f64, ln: f64, flop: f64) -> Self {
        Counts { exp, ln, flop }
    }
    const fn plus(self, other: Counts, times: f64) -> Self {
        Counts {
            exp: self.exp + times * other.exp,
            ln: self.ln + times * other.ln,
            flop: self.flop + times * other.flop,
        }
    }
}

/// A mixture of ten components with its quantile, its pull-back, and a search of its root (three evaluations of logit and slope).
const MIXTURE: Counts = Counts::new(10.0, 2.0, 200.0);
const MIXTURE_BACK: Counts = Counts::new(0.0, 1.0, 300.0);
const ROOT: Counts = Counts::new(30.0, 3.0, 450.0);
/// Mixtures of W1: four layers in three dimensions.
const MIXTURES: f64 = 12.0;
/// The two networks of W2: 32-128-399 and 35-128-10, with tanh by an exponential each, and the widths and weights of 120 components.
const NETWORKS: Counts = Counts::new(256.0 + 240.0, 0.0, 2.0 * ((32 + 399 + 35 + 10) * 128) as f64);
const NETWORKS_BACK: Counts = Counts::new(0.0, 0.0, 2.0 * NETWORKS.flop);
/// Three splines with a logarithm and a root each.
const SPLINES: Counts = Counts::new(0.0, 3.0, 3.0 * 60.0);

const NOTHING: Counts = Counts::new(0.0, 0.0, 0.0);

/// Milliseconds that the arithmetic of `rows` rows takes on `threads` cores; `None` for a workload that is not counted.
pub fn limit(rates: Rates, workload: &str, rows: usize, threads: usize) -> Option<f64> {
    let evaluate = NOTHING.plus(MIXTURE, MIXTURES);
    let train = evaluate.plus(MIXTURE_BACK, MIXTURES);
    let draw = evaluate.plus(ROOT, MIXTURES);
    let counts = match workload {
        "W1.log_prob" | "W1.frozen.log_prob" => evaluate,
        "W1.train" => train,
        "W1.sample" | "W1.frozen.sample" => draw,
        "W2.log_prob" | "W2.frozen.log_prob" => evaluate.plus(NETWORKS, 1.0),
        "W2.train" => train.plus(NETWORKS, 1.0).plus(NETWORKS_BACK, 1.0),
        "W2.sample" | "W2.frozen.sample" => draw.plus(NETWORKS, 1.0),
        "W5.log_prob" | "W5.sample" => SPLINES,
        "W6.entropy_grad" => draw.plus(train, 1.0),
        _ => return None,
    };
    // A single row stays on one core.
    let cores = if rows > 1 { threads } else { 1 };
    let row = counts.exp * rates.exp + counts.ln * rates.ln + counts.flop * rates.flop;
    Some(1e3 * rows as f64 * row / cores as f64)
}

/// Measures the rates in the packs that the program takes on this processor.
pub fn rates() -> Rates {
    let numbers: Vec<f64> = (0..NUMBERS).map(|i| 0.1 + i as f64 / NUMBERS as f64).collect();
    let best = |work: fn(&[f64]) -> f64, count: f64| {
        let once = |_| {
            let start = Instant::now();
            for _ in 0..REPEAT {
                black_box(work(black_box(&numbers)));
            }
            start.elapsed().as_secs_f64() / (REPEAT as f64 * count)
        };
        (0..200).map(once).fold(f64::INFINITY, f64::min)
    };
    let count = NUMBERS as f64;
    Rates {
        exp: best(|x| f64::widest(Sum(x, Exp)), count),
        ln: best(|x| f64::widest(Sum(x, Ln)), count),
        flop: best(|x| f64::widest(Chains(x)), 2.0 * count),
    }
}

/// Numbers that stay in the first cache, and how often they are gone through at a time.
const NUMBERS: usize = 1536;
const REPEAT: usize = 20;

trait Function: Copy {
    fn of<R: Real>(self, x: R) -> R;
}

#[derive(Clone, Copy)]
struct Exp;
impl Function for Exp {
    #[inline(always)]
    fn of<R: Real>(self, x: R) -> R {
        x.exp()
    }
}

#[derive(Clone, Copy)]
struct Ln;
impl Function for Ln {
    #[inline(always)]
    fn of<R: Real>(self, x: R) -> R {
        x.ln()
    }
}

/// A piece of work in packs `R`.
struct In<R, W>(W, core::marker::PhantomData<R>);

struct Sum<'a, F>(&'a [f64], F);

impl<F: Function> WithPack<f64> for Sum<'_, F> {
    type Output = f64;
    fn call<R: Pack<Scalar = f64>>(self) -> f64
    where
        f64: Lift<R>,
    {
        R::run(In::<R, Self>(self, core::marker::PhantomData))
    }
}

impl<R: Pack<Scalar = f64>, F: Function> Work for In<R, Sum<'_, F>> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        let Sum(numbers, function) = self.0;
        let mut sums = [R::zero(); 4];
        for four in numbers.chunks_exact(4 * R::LANES) {
            for i in 0..4 {
                sums[i] += function.of(R::read(&four[i * R::LANES..]));
            }
        }
        (sums[0] + sums[1] + sums[2] + sums[3]).sum_lanes()
    }
}

/// Multiply-adds in chains that do not wait for one another.
struct Chains<'a>(&'a [f64]);

impl WithPack<f64> for Chains<'_> {
    type Output = f64;
    fn call<R: Pack<Scalar = f64>>(self) -> f64
    where
        f64: Lift<R>,
    {
        R::run(In::<R, Self>(self, core::marker::PhantomData))
    }
}

impl<R: Pack<Scalar = f64>> Work for In<R, Chains<'_>> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        if R::REGISTERS >= 32 { chains::<R, 12>(self.0.0) } else { chains::<R, 6>(self.0.0) }
    }
}

#[inline(always)]
fn chains<R: Pack<Scalar = f64>, const N: usize>(numbers: &[f64]) -> f64 {
    let (factor, mut sums) = (R::read(numbers), [R::one(); N]);
    for _ in 0..numbers.len() / (N * R::LANES) {
        for i in 0..N {
            sums[i] = sums[i].mul_add(factor, factor);
        }
    }
    let mut all = R::zero();
    for sum in sums {
        all += sum;
    }
    all.sum_lanes()
}
