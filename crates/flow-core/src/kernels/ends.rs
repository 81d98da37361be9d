//! The functions of a manifold on packs: each is compiled once for each kind of pack, on registers where the manifold says [`Manifold::WIDE`].

use crate::manifolds::Manifold;
use crate::numeric::{Real, apart};

/// One number as a plain array.
#[inline(always)]
fn one<R: Real>(x: &mut R) -> &mut R::Plain {
    &mut R::plain_mut(core::slice::from_mut(x))[0]
}

apart! {
/// [`Manifold::embed`].
pub(super) fn embed<R: Real, M: Manifold>(intrinsic: &'a [R], embedded: &'a mut [R], log_det: &'a mut R) -> () {
        if M::WIDE {
            M::embed(intrinsic, embedded, log_det)
        } else {
            M::embed(R::plain(intrinsic), R::plain_mut(embedded), one(log_det))
        }
}

/// [`Manifold::embed_vjp`].
pub(super) fn embed_vjp<R: Real, M: Manifold>(
    intrinsic: &'a [R], cot_embedded: &'a [R], cot_log_det: R, cot_intrinsic: &'a mut [R],
) -> () {
        if M::WIDE {
            M::embed_vjp(intrinsic, cot_embedded, cot_log_det, cot_intrinsic)
        } else {
            let cot_intrinsic = R::plain_mut(cot_intrinsic);
            M::embed_vjp(R::plain(intrinsic), R::plain(cot_embedded), cot_log_det.to_plain(), cot_intrinsic)
        }
}

/// [`Manifold::intrinsic`].
pub(super) fn intrinsic<R: Real, M: Manifold>(embedded: &'a [R], intrinsic: &'a mut [R], log_det: &'a mut R) -> () {
        if M::WIDE {
            M::intrinsic(embedded, intrinsic, log_det)
        } else {
            M::intrinsic(R::plain(embedded), R::plain_mut(intrinsic), one(log_det))
        }
}

/// [`Manifold::intrinsic_vjp`].
pub(super) fn intrinsic_vjp<R: Real, M: Manifold>(
    embedded: &'a [R], cot_intrinsic: &'a [R], cot_log_det: R, cot_embedded: &'a mut [R],
) -> () {
        if M::WIDE {
            M::intrinsic_vjp(embedded, cot_intrinsic, cot_log_det, cot_embedded)
        } else {
            let cot_embedded = R::plain_mut(cot_embedded);
            M::intrinsic_vjp(R::plain(embedded), R::plain(cot_intrinsic), cot_log_det.to_plain(), cot_embedded)
        }
}

/// [`Manifold::project`].
pub(super) fn project<R: Real, M: Manifold>(given: &'a [R], embedded: &'a mut [R]) -> () {
        if M::WIDE { M::project(given, embedded) } else { M::project(R::plain(given), R::plain_mut(embedded)) }
}

/// [`Manifold::project_vjp`].
pub(super) fn project_vjp<R: Real, M: Manifold>(given: &'a [R], cot_embedded: &'a [R], cot_given: &'a mut [R]) -> () {
        if M::WIDE {
            M::project_vjp(given, cot_embedded, cot_given)
        } else {
            M::project_vjp(R::plain(given), R::plain(cot_embedded), R::plain_mut(cot_given))
        }
}

/// [`Manifold::to_base`].
pub(super) fn to_base<R: Real, M: Manifold>(target: &'a [R], base: &'a mut [R]) -> () {
        if M::WIDE { M::to_base(target, base) } else { M::to_base(R::plain(target), R::plain_mut(base)) }
}

/// [`Manifold::to_base_vjp`].
pub(super) fn to_base_vjp<R: Real, M: Manifold>(target: &'a [R], cot_base: &'a [R], cot_target: &'a mut [R]) -> () {
        if M::WIDE {
            M::to_base_vjp(target, cot_base, cot_target)
        } else {
            M::to_base_vjp(R::plain(target), R::plain(cot_base), R::plain_mut(cot_target))
        }
}

/// [`Manifold::from_base`].
pub(super) fn from_base<R: Real, M: Manifold>(base: &'a [R], target: &'a mut [R]) -> () {
        if M::WIDE { M::from_base(base, target) } else { M::from_base(R::plain(base), R::plain_mut(target)) }
}
}

/// [`Manifold::log_reference`], which is short, or a constant.
#[inline(always)]
pub(super) fn log_reference<R: Real, M: Manifold>(target: &[R]) -> R {
    if M::WIDE { M::log_reference(target) } else { R::from_plain(M::log_reference(R::plain(target))) }
}

/// [`Manifold::log_reference_vjp`].
#[inline(always)]
pub(super) fn log_reference_vjp<R: Real, M: Manifold>(target: &[R], cot: R, cot_target: &mut [R]) {
    if M::WIDE {
        M::log_reference_vjp(target, cot, cot_target)
    } else {
        M::log_reference_vjp(R::plain(target), cot.to_plain(), R::plain_mut(cot_target))
    }
}
