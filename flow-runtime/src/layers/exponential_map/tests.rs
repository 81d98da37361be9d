use super::*;
use crate::layers::Chain;
use crate::layers::laws::{self, Tolerance, check, random_params};
use crate::manifolds::Manifold;
use crate::numeric::{Lanes, Pack, Scalar};
use rand::{SeedableRng, rngs::StdRng};

const LINEAR: u128 = 0;
const QUADRATIC: u128 = 1;
const SPLINES: u128 = 2;
const EXPONENTIAL: u128 = 3;
const HOUSEHOLDER: u128 = 1;

type Few<const TYPE: u128, Rest = ()> = ExponentialMap<v::num_components<4, v::exp_map_type<TYPE, Rest>>>;
type Natural<const TYPE: u128> = Few<TYPE, v::natural_direction<1>>;
type Turned<const TYPE: u128> = Few<TYPE, v::add_rotation<1>>;
type Reflected<const TYPE: u128> = Few<TYPE, v::mean_parametrization<HOUSEHOLDER>>;
type All<const TYPE: u128> =
    Few<TYPE, v::natural_direction<1, v::add_rotation<1, v::mean_parametrization<HOUSEHOLDER>>>>;
type One<const TYPE: u128, Rest = ()> = ExponentialMap<v::num_components<1, v::exp_map_type<TYPE, Rest>>>;

fn params<C: Layer<Sphere2>>() -> usize {
    C::PARAMS
}

#[test]
fn parameters_are_counted_as_published() {
    assert_eq!(params::<ExponentialMap<()>>(), 50);
    assert_eq!(params::<Few<LINEAR>>(), 16);
    assert_eq!(params::<Few<QUADRATIC>>(), 16);
    assert_eq!(params::<Few<SPLINES>>(), 140);
    assert_eq!(params::<Few<EXPONENTIAL>>(), 20);
    assert_eq!(params::<Turned<EXPONENTIAL>>(), 29);
    assert_eq!(params::<Reflected<EXPONENTIAL>>(), 48);
}

#[test]
fn laws_of_profiles_with_one_derivative() {
    fn all<const TYPE: u128>(seed: u64) {
        check::<Sphere2, (Few<TYPE>, ())>(seed, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Natural<TYPE>, ())>(seed + 1, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Turned<TYPE>, ())>(seed + 2, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (Reflected<TYPE>, ())>(seed + 3, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (All<TYPE>, ())>(seed + 4, 8, 0.3, Tolerance::F64).unwrap();
        check::<Sphere2, (All<TYPE>, (Few<TYPE>, ()))>(seed + 5, 4, 0.3, Tolerance::F64).unwrap();
    }
    all::<LINEAR>(10);
    all::<QUADRATIC>(20);
    all::<SPLINES>(30);
    all::<EXPONENTIAL>(40);
}

/// Parameters of a layer with its vectors and its exponents scaled: weights near their limit, sharp profiles.
fn strong<C: Chain<Sphere2>>(rng: &mut StdRng, vectors: usize, length: f64) -> Vec<f64> {
    let mut params = random_params::<Sphere2, C>(rng, 0.3);
    params[..vectors].iter_mut().for_each(|p| *p *= length);
    params
}

fn means<C: Layer<Sphere2>>(params: &[f64], stride: usize) -> Vec<[f64; 3]> {
    let mut prepared = vec![0.0; C::PREPARED];
    C::prepare(params, &mut prepared);
    prepared[1..].chunks_exact(stride).map(|c| [c[0], c[1], c[2]]).collect()
}
