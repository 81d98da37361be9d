//! Packs of every kind against the scalar functions, over the whole range.

use crate::numeric::{Lanes, Lift, Mask, Pack, Real, Scalar, WithPack};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The packs that this processor can compute with.
fn with_every_pack<W: WithPack<f64, Output = ()> + Copy>(work: W) {
    work.call::<Lanes<f64, 8>>();
    f64::widest(work);
    #[cfg(target_arch = "x86_64")]
    if crate::numeric::x86::level() == crate::numeric::x86::Level::Avx512 {
        work.call::<crate::numeric::x86::Avx2F64>();
    }
}

/// Distance in units in the last place of the scalar result.
fn ulps(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let ulp = (b.abs().next_up() - b.abs()).max(f64::from_bits(1));
    (a - b).abs() / ulp
}

/// A function of a pack, as a function of numbers; in pieces of work as in use, so that it is compiled for the pack.
trait Function: Copy {
    fn of<R: Real>(self, x: R) -> R;
}

macro_rules! functions {
    ($($name:ident $method:ident),*) => {$(
        #[derive(Clone, Copy)]
        struct $name;
        impl Function for $name {
            fn of<R: Real>(self, x: R) -> R {
                x.$method()
            }
        }
    )*};
}
functions!(Exp exp, ExpM1 exp_m1, Ln ln, Ln1p ln_1p, Tanh tanh, Erfc erfc);

#[derive(Clone, Copy)]
struct Sin;
impl Function for Sin {
    fn of<R: Real>(self, x: R) -> R {
        x.sin_cos().0
    }
}
#[derive(Clone, Copy)]
struct Cos;
impl Function for Cos {
    fn of<R: Real>(self, x: R) -> R {
        x.sin_cos().1
    }
}

/// The quick reciprocal, at numbers for which it is meant.
#[derive(Clone, Copy)]
struct Reciprocal;
impl Function for Reciprocal {
    fn of<R: Real>(self, x: R) -> R {
        x.quick_recip()
    }
}

#[derive(Clone, Copy)]
struct Check<'a, F> {
    function: F,
    scalar: fn(f64) -> f64,
    numbers: &'a [f64],
}

impl<F: Function> WithPack<f64> for Check<'_, F> {
    type Output = ();
    fn call<R: Pack<Scalar = f64>>(self)
    where
        f64: Lift<R>,
    {
        for some in self.numbers.chunks(R::LANES) {
            let out = self.function.of(R::from_fn(|l| some[l % some.len()]));
            for (l, &x) in some.iter().enumerate() {
                let (got, wanted) = (out.lane(l), (self.scalar)(x));
                assert!(
                    ulps(got, wanted) <= 4.0,
                    "{}: {x:e}: {got:e}, not {wanted:e}",
                    core::any::type_name::<(F, R)>()
                );
                assert!(wanted.is_nan() || got.is_sign_negative() == wanted.is_sign_negative(), "sign at {x}");
                // A lane does not depend on its neighbours.
                assert_eq!(got.to_bits(), self.function.of(R::splat(x)).lane(0).to_bits(), "{x:e}");
            }
        }
    }
}

/// Numbers at which something happens, with their neighbours, of both signs.
fn special() -> Vec<f64> {
    let corners = [
        0.0,
        f64::from_bits(1),
        1e-310,
        f64::MIN_POSITIVE,
        1e-300,
        1e-17,
        0.25,
        0.346_573_590_279_972_65,
        0.5,
        core::f64::consts::FRAC_1_SQRT_2,
        core::f64::consts::FRAC_PI_4,
        1.0,
        core::f64::consts::SQRT_2,
        core::f64::consts::FRAC_PI_2,
        2.0,
        core::f64::consts::PI,
        10.0,
        37.42,
        40.0,
        708.396_418_532_264_1,
        709.436_139_303_104,
        709.782_712_893_384,
        710.0,
        720.0,
        744.440_071_921_381_2,
        745.133_219_101_941_1,
        746.0,
        800.0,
        8192.0,
        1e5,
        1e300,
        f64::MAX,
        f64::INFINITY,
    ];
    let mut all: Vec<f64> = corners.iter().flat_map(|x| [*x, x.next_up(), x.next_down()]).collect();
    all.extend(all.clone().iter().map(|x| -x));
    all.push(f64::NAN);
    all
}

/// Numbers of all sizes and signs.
fn numbers(rng: &mut StdRng, exponents: core::ops::Range<f64>) -> Vec<f64> {
    let one =
        |rng: &mut StdRng| 10f64.powf(rng.random_range(exponents.clone())) * if rng.random() { 1.0 } else { -1.0 };
    (0..20_000).map(|_| one(rng)).chain(special()).collect()
}

fn check<F: Function>(function: F, scalar: fn(f64) -> f64, numbers: &[f64]) {
    with_every_pack(Check { function, scalar, numbers });
}

#[test]
fn within_four_units_of_the_scalar_functions() {
    let mut rng = StdRng::seed_from_u64(1);
    let wide = numbers(&mut rng, -320.0..308.0);
    let usual = numbers(&mut rng, -18.0..3.2);
    for numbers in [&wide, &usual] {
        check(Exp, f64::exp, numbers);
        check(ExpM1, f64::exp_m1, numbers);
        check(Tanh, f64::tanh, numbers);
        check(Ln, f64::ln, numbers);
        check(Ln1p, f64::ln_1p, numbers);
        check(Sin, f64::sin, numbers);
        check(Cos, f64::cos, numbers);
        check(Erfc, libm::erfc, numbers);
    }
    let middle: Vec<f64> = wide.iter().copied().filter(|x| (1e-300..1e300).contains(&x.abs())).collect();
    check(Reciprocal, f64::recip, &middle);
    let near_one: Vec<f64> = (0..20_000).map(|_| 1.0 + rng.random_range(-0.5..0.5)).collect();
    check(Ln, f64::ln, &near_one);
    // Around multiples of pi/4, where most of an angle cancels.
    let angles: Vec<f64> = (-10_000..10_000)
        .map(|i| f64::from(i) * core::f64::consts::FRAC_PI_4)
        .flat_map(|x| [x, x.next_up(), x + rng.random_range(-1e-9..1e-9)])
        .collect();
    check(Sin, f64::sin, &angles);
    check(Cos, f64::cos, &angles);
}

#[derive(Clone, Copy)]
struct CheckAngle<'a>(&'a [[f64; 2]]);

impl WithPack<f64> for CheckAngle<'_> {
    type Output = ();
    fn call<R: Pack<Scalar = f64>>(self)
    where
        f64: Lift<R>,
    {
        for some in self.0.chunks(R::LANES) {
            let of = |i: usize| R::from_fn(|l| some[l % some.len()][i]);
            let out = of(0).atan2(of(1));
            for (l, &[y, x]) in some.iter().enumerate() {
                let (got, wanted) = (out.lane(l), y.atan2(x));
                assert!(ulps(got, wanted) <= 4.0, "{y:e} {x:e}: {got:e}, not {wanted:e}");
                assert!(wanted.is_nan() || got.is_sign_negative() == wanted.is_sign_negative(), "sign at {y} {x}");
                assert_eq!(got.to_bits(), R::splat(y).atan2(R::splat(x)).lane(0).to_bits());
                if (1e-300..1e300).contains(&x) && y.abs() < 1e300 {
                    let right = R::splat(y).atan2_right(R::splat(x)).lane(0);
                    assert!(ulps(right, wanted) <= 4.0, "{y:e} {x:e}: {right:e}, not {wanted:e}");
                }
            }
        }
    }
}

#[test]
fn angles_within_four_units_in_every_octant() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut points: Vec<[f64; 2]> =
        (0..20_000).map(|_| core::array::from_fn(|_| rng.random_range(-1.0..1.0))).collect();
    let sizes = numbers(&mut rng, -320.0..308.0);
    points.extend(sizes.windows(2).map(|w| [w[0], w[1]]));
    let special = special();
    points.extend(special.iter().flat_map(|y| special.iter().map(|x| [*y, *x])));
    with_every_pack(CheckAngle(&points));
}

#[derive(Clone, Copy)]
struct Arithmetic;

impl WithPack<f64> for Arithmetic {
    type Output = ();
    fn call<R: Pack<Scalar = f64>>(self)
    where
        f64: Lift<R>,
    {
        let special = special();
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        for x in special.iter().copied() {
            for some in special.chunks(R::LANES) {
                let (a, b) = (R::splat(x), R::from_fn(|l| some[l % some.len()]));
                let masks = [a.lt(b), a.le(b), !a.le(b), a.lt(b) & b.is_finite(), a.lt(b) | b.lt(a)];
                let results = [a + b, a - b, a * b, a / b, -b, b.abs(), b.sqrt(), a.min(b), a.max(b)];
                let chosen = R::select(a.lt(b), a, b);
                for (l, &y) in some.iter().enumerate() {
                    // What is no number is neither above nor below.
                    let no_order = x.partial_cmp(&y).is_none();
                    let masks = masks.map(|m| m.lane(l));
                    assert_eq!(
                        masks,
                        [x < y, x <= y, x > y || no_order, x < y && y.is_finite(), x < y || y < x],
                        "{x} {y}"
                    );
                    let wanted = [x + y, x - y, x * y, x / y, -y, y.abs(), y.sqrt(), Real::min(x, y), Real::max(x, y)];
                    for (got, wanted) in results.iter().zip(wanted) {
                        assert!(same(got.lane(l), wanted), "{x} {y}: {} {wanted}", got.lane(l));
                    }
                    assert!(same(chosen.lane(l), if x < y { x } else { y }));
                }
                assert_eq!(a.lt(b).any(), (0..R::LANES).any(|l| a.lt(b).lane(l)));
                assert_eq!(a.lt(b).all(), (0..R::LANES).all(|l| a.lt(b).lane(l)));
            }
        }
        assert!(R::Mask::splat(true).all() && !R::Mask::splat(false).any());
    }
}

#[test]
fn arithmetic_and_comparisons_are_those_of_numbers() {
    with_every_pack(Arithmetic);
}

#[derive(Clone, Copy)]
struct Narrow;

impl WithPack<f32> for Narrow {
    type Output = ();
    fn call<R: Pack<Scalar = f32>>(self)
    where
        f32: Lift<R>,
    {
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..4000 {
            let x: [f32; 8] = core::array::from_fn(|_| 10f32.powf(rng.random_range(-6.0..2.0)));
            let at = |x: &[f32; 8]| R::from_fn(|l| x[l]);
            let p = at(&x);
            let two = [p.sin_cos().0, p.sin_cos().1, p.atan2(-p.sqrt())];
            let results = [p.exp(), (-p).exp_m1(), p.ln(), p.ln_1p(), p.tanh(), p.erfc(), two[0], two[1], two[2]];
            for (l, &x) in x.iter().enumerate() {
                let y = f64::from(x);
                let wanted = [
                    y.exp(),
                    (-y).exp_m1(),
                    y.ln(),
                    y.ln_1p(),
                    y.tanh(),
                    libm::erfc(y),
                    y.sin(),
                    y.cos(),
                    y.atan2(f64::from(-x.sqrt())),
                ];
                for (i, (got, wanted)) in results.iter().zip(wanted).enumerate() {
                    let got = got.lane(l);
                    let exact = wanted as f32;
                    let ulp = (exact.abs().next_up() - exact.abs()).max(f32::from_bits(1));
                    assert!(got == exact || (got - exact).abs() <= ulp, "{i}: {x}: {got}, not {exact}");
                }
            }
        }
    }
}

#[test]
fn single_precision_is_rounded_once() {
    Narrow.call::<Lanes<f32, 8>>();
    f32::widest(Narrow);
    #[cfg(target_arch = "x86_64")]
    if crate::numeric::x86::level() == crate::numeric::x86::Level::Avx512 {
        Narrow.call::<crate::numeric::x86::Avx2F32>();
    }
}
