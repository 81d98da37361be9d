//! How layer g rotates, or maps linearly without changing volumes: one interface over the modes.

use super::{StateTensor, cayley, rotation, triangular};
use crate::numeric::{Lift, Real};
use flow_notation::options::RotationMode;

/// What a [`RotationMode`] does.
#[derive(Clone, Copy)]
pub(super) struct Turn(pub RotationMode);

impl Turn {
    /// Number of parameters in `dim` dimensions with this many reflections.
    pub(super) const fn params(self, dim: usize, reflections: usize) -> usize {
        match self.0 {
            RotationMode::Householder => reflections * dim,
            RotationMode::Angles => dim * (dim - 1) / 2,
            RotationMode::None => 0,
            RotationMode::TriangularCombination => triangular::params(dim),
            RotationMode::Cayley => cayley::params(dim),
        }
    }

    /// The tensor of these parameters.
    pub(super) fn state(self, dim: usize, reflections: usize) -> Vec<StateTensor> {
        let n = self.params(dim, reflections);
        match self.0 {
            RotationMode::Householder => StateTensor::list([("vs", &[1, reflections, dim])]),
            RotationMode::Angles => StateTensor::list([("angle_pars", &[1, n])]),
            RotationMode::None => Vec::new(),
            RotationMode::TriangularCombination => StateTensor::list([("triangle_trafo_pars", &[1, n])]),
            RotationMode::Cayley => StateTensor::list([("cayley_pars", &[1, n])]),
        }
    }

    /// Number of prepared numbers.
    pub(super) const fn prepared(self, dim: usize, reflections: usize) -> usize {
        match self.0 {
            RotationMode::Householder => reflections * dim,
            RotationMode::Angles => dim * (dim - 1),
            RotationMode::None => 0,
            RotationMode::TriangularCombination => triangular::prepared(dim),
            RotationMode::Cayley => cayley::prepared(dim),
        }
    }

    #[inline(always)]
    pub(super) fn prepare<const D: usize, P: Real>(self, params: &[P], prepared: &mut [P]) {
        match self.0 {
            RotationMode::Householder => rotation::householder_prepare(D, params, prepared),
            RotationMode::Angles => rotation::angles_prepare(params, prepared),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::prepare(D, params, prepared),
            RotationMode::Cayley => cayley::prepare::<D, P>(params, prepared),
        }
    }

    /// Cotangents of [`Turn::prepare`].
    #[inline(always)]
    pub(super) fn prepare_vjp<const D: usize, P: Real>(
        self,
        params: &[P],
        prepared: &[P],
        cot_prepared: &[P],
        cot_params: &mut [P],
    ) {
        match self.0 {
            RotationMode::Householder => {
                rotation::householder_prepare_vjp(D, params, prepared, cot_prepared, cot_params)
            }
            RotationMode::Angles => rotation::angles_prepare_vjp(prepared, cot_prepared, cot_params),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::prepare_vjp(D, prepared, cot_prepared, cot_params),
            RotationMode::Cayley => cayley::prepare_vjp::<D, P>(prepared, cot_prepared, cot_params),
        }
    }

    /// x <- A x.
    #[inline(always)]
    pub(super) fn apply<const D: usize, R: Real, P: Lift<R>>(self, prepared: &[P], x: &mut [R]) {
        match self.0 {
            RotationMode::Householder => rotation::householder(D, prepared, x),
            RotationMode::Angles => rotation::angles(D, prepared, x),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::apply(D, prepared, x),
            RotationMode::Cayley => cayley::apply::<D, R, P>(prepared, x),
        }
    }

    /// x <- A^-1 x.
    #[inline(always)]
    pub(super) fn undo<const D: usize, R: Real, P: Lift<R>>(self, prepared: &[P], x: &mut [R]) {
        match self.0 {
            RotationMode::Householder => rotation::householder_transpose(D, prepared, x),
            RotationMode::Angles => rotation::angles_transpose(D, prepared, x),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::undo(D, prepared, x),
            RotationMode::Cayley => cayley::transpose::<D, R, P>(prepared, x),
        }
    }

    /// Cotangents of [`Turn::apply`]; `x` holds the result and is taken back to the argument.
    #[inline(always)]
    pub(super) fn apply_vjp<const D: usize, R: Real, P: Lift<R>>(
        self,
        prepared: &[P],
        x: &mut [R],
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        match self.0 {
            RotationMode::Householder => rotation::householder_vjp(D, prepared, x, cot, cot_prepared),
            RotationMode::Angles => rotation::angles_vjp(D, prepared, x, cot, cot_prepared),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::apply_vjp(D, prepared, x, cot, cot_prepared),
            RotationMode::Cayley => cayley::apply_vjp::<D, R, P>(prepared, x, cot, cot_prepared),
        }
    }

    /// Cotangents of [`Turn::undo`]; `x` holds the result and is taken back to the argument.
    #[inline(always)]
    pub(super) fn undo_vjp<const D: usize, R: Real, P: Lift<R>>(
        self,
        prepared: &[P],
        x: &mut [R],
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        match self.0 {
            RotationMode::Householder => rotation::householder_transpose_vjp(D, prepared, x, cot, cot_prepared),
            RotationMode::Angles => rotation::angles_transpose_vjp(D, prepared, x, cot, cot_prepared),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::undo_vjp(D, prepared, x, cot, cot_prepared),
            RotationMode::Cayley => cayley::transpose_vjp::<D, R, P>(prepared, x, cot, cot_prepared),
        }
    }
}
