//! Numbers with derivatives (forward mode), for the small scalar pieces of a layer.
//!
//! A spline segment, a circle map or a chart has a handful of inputs; written once over [`Real`] and evaluated with
//! [`Dual`] it returns the value and every exact derivative together, so the two cannot disagree.

#![allow(clippy::suspicious_arithmetic_impl, reason = "the product and the quotient rule mix operators")]

use super::real::{Real, Work};
use core::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// A value and its derivatives with respect to `N` inputs.
#[derive(Clone, Copy, Debug)]
pub struct Dual<R, const N: usize> {
    /// The value.
    pub value: R,
    /// The derivatives.
    pub grad: [R; N],
}

impl<R: Real, const N: usize> Dual<R, N> {
    /// A constant: all derivatives zero.
    #[inline(always)]
    pub fn fixed(value: R) -> Self {
        Dual { value, grad: [R::zero(); N] }
    }
    /// Input number `index`: its own derivative one, the others zero.
    #[inline(always)]
    pub fn input(value: R, index: usize) -> Self {
        let mut dual = Self::fixed(value);
        dual.grad[index] = R::one();
        dual
    }
    /// f(self) from the value f and the derivative f'.
    #[inline(always)]
    pub fn chain(self, value: R, derivative: R) -> Self {
        let mut grad = self.grad;
        for g in &mut grad {
            *g *= derivative;
        }
        Dual { value, grad }
    }
}

impl<R: Real, const N: usize> Add for Dual<R, N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let mut sum = self;
        sum.value += other.value;
        for i in 0..N {
            sum.grad[i] += other.grad[i];
        }
        sum
    }
}
impl<R: Real, const N: usize> Sub for Dual<R, N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let mut difference = self;
        difference.value -= other.value;
        for i in 0..N {
            difference.grad[i] -= other.grad[i];
        }
        difference
    }
}
impl<R: Real, const N: usize> Mul for Dual<R, N> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let mut product = self;
        product.value *= other.value;
        for i in 0..N {
            product.grad[i] = self.grad[i] * other.value + self.value * other.grad[i];
        }
        product
    }
}
impl<R: Real, const N: usize> Div for Dual<R, N> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        let mut quotient = Dual { value, grad: self.grad };
        for i in 0..N {
            quotient.grad[i] = (self.grad[i] - value * other.grad[i]) / other.value;
        }
        quotient
    }
}
impl<R: Real, const N: usize> Neg for Dual<R, N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        let mut grad = self.grad;
        for g in &mut grad {
            *g = -*g;
        }
        Dual { value: -self.value, grad }
    }
}
impl<R: Real, const N: usize> AddAssign for Dual<R, N> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl<R: Real, const N: usize> SubAssign for Dual<R, N> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}
impl<R: Real, const N: usize> MulAssign for Dual<R, N> {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl<R: Real, const N: usize> Real for Dual<R, N> {
    type Scalar = R::Scalar;
    type Mask = R::Mask;
    type Plain = Self;
    #[inline(always)]
    fn plain(numbers: &[Self]) -> &[Self] {
        numbers
    }
    #[inline(always)]
    fn plain_mut(numbers: &mut [Self]) -> &mut [Self] {
        numbers
    }

    #[inline(always)]
    fn splat(value: R::Scalar) -> Self {
        Self::fixed(R::splat(value))
    }
    #[inline(always)]
    fn run<W: Work>(work: W) -> W::Output {
        R::run(work)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        let sign = R::select(self.value.lt(R::zero()), -R::one(), R::one());
        self.chain(self.value.abs(), sign)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, R::constant(0.5) / root)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }
    #[inline(always)]
    fn exp_m1(self) -> Self {
        self.chain(self.value.exp_m1(), self.value.exp())
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.chain(self.value.ln(), self.value.recip())
    }
    #[inline(always)]
    fn ln_1p(self) -> Self {
        self.chain(self.value.ln_1p(), (R::one() + self.value).recip())
    }
    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        let (sin, cos) = self.value.sin_cos();
        (self.chain(sin, cos), self.chain(cos, -sin))
    }
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        let norm = self.value.square() + other.value.square();
        let mut angle = Dual { value: self.value.atan2(other.value), grad: self.grad };
        for i in 0..N {
            angle.grad[i] = (self.grad[i] * other.value - other.grad[i] * self.value) / norm;
        }
        angle
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let value = self.value.tanh();
        self.chain(value, R::one() - value.square())
    }
    #[inline(always)]
    fn erfc(self) -> Self {
        let slope = (-self.value.square()).exp().scale(-core::f64::consts::FRAC_2_SQRT_PI);
        self.chain(self.value.erfc(), slope)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> R::Mask {
        self.value.lt(other.value)
    }
    #[inline(always)]
    fn le(self, other: Self) -> R::Mask {
        self.value.le(other.value)
    }
    #[inline(always)]
    fn is_finite(self) -> R::Mask {
        self.value.is_finite()
    }
    #[inline(always)]
    fn select(mask: R::Mask, yes: Self, no: Self) -> Self {
        let mut chosen = Dual { value: R::select(mask, yes.value, no.value), grad: yes.grad };
        for i in 0..N {
            chosen.grad[i] = R::select(mask, yes.grad[i], no.grad[i]);
        }
        chosen
    }
}
