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
    pub(super) fn prepare<P: Real>(self, dim: usize, params: &[P], prepared: &mut [P]) {
        match self.0 {
            RotationMode::Householder => rotation::householder_prepare(dim, params, prepared),
            RotationMode::Angles => rotation::angles_prepare(params, prepared),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::prepare(dim, params, prepared),
            RotationMode::Cayley => cayley::prepare(dim, params, prepared),
        }
    }

    /// Cotangents of [`Turn::prepare`].
    #[inline(always)]
    pub(super) fn prepare_vjp<P: Real>(
        self,
        dim: usize,
        params: &[P],
        prepared: &[P],
        cot_prepared: &[P],
        cot_params: &mut [P],
    ) {
        match self.0 {
            RotationMode::Householder => {
                rotation::householder_prepare_vjp(dim, params, prepared, cot_prepared, cot_params)
            }
            RotationMode::Angles => rotation::angles_prepare_vjp(prepared, cot_prepared, cot_params),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::prepare_vjp(dim, prepared, cot_prepared, cot_params),
            RotationMode::Cayley => cayley::prepare_vjp(dim, prepared, cot_prepared, cot_params),
        }
    }

    /// x <- A x.
    #[inline(always)]
    pub(super) fn apply<R: Real, P: Lift<R>>(self, dim: usize, prepared: &[P], x: &mut [R]) {
        match self.0 {
            RotationMode::Householder => rotation::householder(dim, prepared, x),
            RotationMode::Angles => rotation::angles(dim, prepared, x),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::apply(dim, prepared, x),
            RotationMode::Cayley => cayley::apply(dim, prepared, x),
        }
    }

    /// x <- A^-1 x.
    #[inline(always)]
    pub(super) fn undo<R: Real, P: Lift<R>>(self, dim: usize, prepared: &[P], x: &mut [R]) {
        match self.0 {
            RotationMode::Householder => rotation::householder_transpose(dim, prepared, x),
            RotationMode::Angles => rotation::angles_transpose(dim, prepared, x),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::undo(dim, prepared, x),
            RotationMode::Cayley => cayley::transpose(dim, prepared, x),
        }
    }

    /// Cotangents of [`Turn::apply`]; `x` holds the result and is taken back to the argument.
    #[inline(always)]
    pub(super) fn apply_vjp<R: Real, P: Lift<R>>(
        self,
        dim: usize,
        prepared: &[P],
        x: &mut [R],
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        match self.0 {
            RotationMode::Householder => rotation::householder_vjp(dim, prepared, x, cot, cot_prepared),
            RotationMode::Angles => rotation::angles_vjp(dim, prepared, x, cot, cot_prepared),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::apply_vjp(dim, prepared, x, cot, cot_prepared),
            RotationMode::Cayley => cayley::apply_vjp(dim, prepared, x, cot, cot_prepared),
        }
    }

    /// Cotangents of [`Turn::undo`]; `x` holds the result and is taken back to the argument.
    #[inline(always)]
    pub(super) fn undo_vjp<R: Real, P: Lift<R>>(
        self,
        dim: usize,
        prepared: &[P],
        x: &mut [R],
        cot: &mut [R],
        cot_prepared: &mut [R],
    ) {
        match self.0 {
            RotationMode::Householder => rotation::householder_transpose_vjp(dim, prepared, x, cot, cot_prepared),
            RotationMode::Angles => rotation::angles_transpose_vjp(dim, prepared, x, cot, cot_prepared),
            RotationMode::None => {}
            RotationMode::TriangularCombination => triangular::undo_vjp(dim, prepared, x, cot, cot_prepared),
            RotationMode::Cayley => cayley::transpose_vjp(dim, prepared, x, cot, cot_prepared),
        }
    }
}
