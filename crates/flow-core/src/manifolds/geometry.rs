//! Manifolds as values.

use super::Manifold;
use crate::numeric::{Real, WidePack, Work, family};
use core::marker::PhantomData;

trait PackManifold<R: WidePack>: Send + Sync {
    fn embed(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R);
    fn embed_vjp(&self, intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]);
    fn intrinsic(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R);
    fn intrinsic_vjp(&self, embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]);
    fn project(&self, given: &[R], embedded: &mut [R]);
    fn project_vjp(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]);
    fn to_base(&self, target: &[R], base: &mut [R]);
    fn to_base_vjp(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]);
    fn from_base(&self, base: &[R], target: &mut [R]);
    fn log_reference(&self, target: &[R]) -> R;
    fn log_reference_vjp(&self, target: &[R], cot: R, cot_target: &mut [R]);
}

struct Of<M>(PhantomData<M>);

struct RunEmbed<'a, M, R> {
    intrinsic: &'a [R],
    embedded: &'a mut [R],
    log_det: &'a mut R,
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunEmbed<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunEmbed { intrinsic, embedded, log_det, .. } = self;
        if M::WIDE {
            M::embed(intrinsic, embedded, log_det)
        } else {
            M::embed(R::plain(intrinsic), R::plain_mut(embedded), &mut R::plain_mut(core::slice::from_mut(log_det))[0])
        }
    }
}
struct RunEmbedVjp<'a, M, R> {
    intrinsic: &'a [R],
    cot_embedded: &'a [R],
    cot_log_det: R,
    cot_intrinsic: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunEmbedVjp<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunEmbedVjp { intrinsic, cot_embedded, cot_log_det, cot_intrinsic, .. } = self;
        if M::WIDE {
            M::embed_vjp(intrinsic, cot_embedded, cot_log_det, cot_intrinsic)
        } else {
            M::embed_vjp(
                R::plain(intrinsic),
                R::plain(cot_embedded),
                cot_log_det.to_plain(),
                R::plain_mut(cot_intrinsic),
            )
        }
    }
}
struct RunIntrinsic<'a, M, R> {
    embedded: &'a [R],
    intrinsic: &'a mut [R],
    log_det: &'a mut R,
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunIntrinsic<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunIntrinsic { embedded, intrinsic, log_det, .. } = self;
        if M::WIDE {
            M::intrinsic(embedded, intrinsic, log_det)
        } else {
            M::intrinsic(
                R::plain(embedded),
                R::plain_mut(intrinsic),
                &mut R::plain_mut(core::slice::from_mut(log_det))[0],
            )
        }
    }
}
struct RunIntrinsicVjp<'a, M, R> {
    embedded: &'a [R],
    cot_intrinsic: &'a [R],
    cot_log_det: R,
    cot_embedded: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunIntrinsicVjp<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunIntrinsicVjp { embedded, cot_intrinsic, cot_log_det, cot_embedded, .. } = self;
        if M::WIDE {
            M::intrinsic_vjp(embedded, cot_intrinsic, cot_log_det, cot_embedded)
        } else {
            M::intrinsic_vjp(
                R::plain(embedded),
                R::plain(cot_intrinsic),
                cot_log_det.to_plain(),
                R::plain_mut(cot_embedded),
            )
        }
    }
}
struct RunProject<'a, M, R> {
    given: &'a [R],
    embedded: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunProject<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunProject { given, embedded, .. } = self;
        if M::WIDE { M::project(given, embedded) } else { M::project(R::plain(given), R::plain_mut(embedded)) }
    }
}
struct RunProjectVjp<'a, M, R> {
    given: &'a [R],
    cot_embedded: &'a [R],
    cot_given: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunProjectVjp<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunProjectVjp { given, cot_embedded, cot_given, .. } = self;
        if M::WIDE {
            M::project_vjp(given, cot_embedded, cot_given)
        } else {
            M::project_vjp(R::plain(given), R::plain(cot_embedded), R::plain_mut(cot_given))
        }
    }
}
struct RunToBase<'a, M, R> {
    target: &'a [R],
    base: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunToBase<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunToBase { target, base, .. } = self;
        if M::WIDE { M::to_base(target, base) } else { M::to_base(R::plain(target), R::plain_mut(base)) }
    }
}
struct RunToBaseVjp<'a, M, R> {
    target: &'a [R],
    cot_base: &'a [R],
    cot_target: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunToBaseVjp<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunToBaseVjp { target, cot_base, cot_target, .. } = self;
        if M::WIDE {
            M::to_base_vjp(target, cot_base, cot_target)
        } else {
            M::to_base_vjp(R::plain(target), R::plain(cot_base), R::plain_mut(cot_target))
        }
    }
}
struct RunFromBase<'a, M, R> {
    base: &'a [R],
    target: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunFromBase<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunFromBase { base, target, .. } = self;
        if M::WIDE { M::from_base(base, target) } else { M::from_base(R::plain(base), R::plain_mut(target)) }
    }
}
struct RunLogReference<'a, M, R> {
    target: &'a [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunLogReference<'_, M, R> {
    type Output = R;
    #[inline(always)]
    fn run(self) -> R {
        let RunLogReference { target, .. } = self;
        if M::WIDE { M::log_reference(target) } else { R::from_plain(M::log_reference(R::plain(target))) }
    }
}
struct RunLogReferenceVjp<'a, M, R> {
    target: &'a [R],
    cot: R,
    cot_target: &'a mut [R],
    of: PhantomData<&'a M>,
}
impl<M: Manifold, R: Real> Work for RunLogReferenceVjp<'_, M, R> {
    type Output = ();
    #[inline(always)]
    fn run(self) -> () {
        let RunLogReferenceVjp { target, cot, cot_target, .. } = self;
        if M::WIDE {
            M::log_reference_vjp(target, cot, cot_target)
        } else {
            M::log_reference_vjp(R::plain(target), cot.to_plain(), R::plain_mut(cot_target))
        }
    }
}
impl<M: Manifold, R: WidePack> PackManifold<R> for Of<M> {
    fn embed(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        R::run(RunEmbed::<M, R> { intrinsic, embedded, log_det, of: PhantomData })
    }
    fn embed_vjp(&self, intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        R::run(RunEmbedVjp::<M, R> { intrinsic, cot_embedded, cot_log_det, cot_intrinsic, of: PhantomData })
    }
    fn intrinsic(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        R::run(RunIntrinsic::<M, R> { embedded, intrinsic, log_det, of: PhantomData })
    }
    fn intrinsic_vjp(&self, embedded: &[R], cot_intrinsic: &[R], cot_log_det: R, cot_embedded: &mut [R]) {
        R::run(RunIntrinsicVjp::<M, R> { embedded, cot_intrinsic, cot_log_det, cot_embedded, of: PhantomData })
    }
    fn project(&self, given: &[R], embedded: &mut [R]) {
        R::run(RunProject::<M, R> { given, embedded, of: PhantomData })
    }
    fn project_vjp(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        R::run(RunProjectVjp::<M, R> { given, cot_embedded, cot_given, of: PhantomData })
    }
    fn to_base(&self, target: &[R], base: &mut [R]) {
        R::run(RunToBase::<M, R> { target, base, of: PhantomData })
    }
    fn to_base_vjp(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        R::run(RunToBaseVjp::<M, R> { target, cot_base, cot_target, of: PhantomData })
    }
    fn from_base(&self, base: &[R], target: &mut [R]) {
        R::run(RunFromBase::<M, R> { base, target, of: PhantomData })
    }
    fn log_reference(&self, target: &[R]) -> R {
        R::run(RunLogReference::<M, R> { target, of: PhantomData })
    }
    fn log_reference_vjp(&self, target: &[R], cot: R, cot_target: &mut [R]) {
        R::run(RunLogReferenceVjp::<M, R> { target, cot, cot_target, of: PhantomData })
    }
}
family! {
trait AnyManifold: PackManifold {
    fn dim(&self) -> usize;
    fn embedded_dim(&self) -> usize;
    fn notation(&self) -> String;
    fn is_uniform(&self) -> bool;
    fn check_intrinsic(&self, point: &[f64]) -> Option<String>;
    fn check_embedded(&self, point: &[f64]) -> Option<String>;
}
}
impl<M: Manifold> AnyManifold for Of<M> {
    fn dim(&self) -> usize {
        M::DIM
    }
    fn embedded_dim(&self) -> usize {
        M::EMBED
    }
    fn notation(&self) -> String {
        M::notation()
    }
    fn is_uniform(&self) -> bool {
        M::UNIFORM
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        M::check_intrinsic(point)
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        M::check_embedded(point)
    }
}
/// A manifold as a value.
#[derive(Clone, Copy)]
pub struct Geometry(&'static dyn AnyManifold);
impl core::fmt::Debug for Geometry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.notation())
    }
}
impl PartialEq for Geometry {
    fn eq(&self, other: &Self) -> bool {
        self.notation() == other.notation()
    }
}
impl Eq for Geometry {}
impl Geometry {
    pub fn of<M: Manifold>() -> Geometry {
        Geometry(&Of::<M>(PhantomData))
    }
    pub fn dim(&self) -> usize {
        self.0.dim()
    }
    pub fn embedded_dim(&self) -> usize {
        self.0.embedded_dim()
    }
    pub fn notation(&self) -> String {
        self.0.notation()
    }
    pub fn is_uniform(&self) -> bool {
        self.0.is_uniform()
    }
    pub fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        self.0.check_intrinsic(point)
    }
    pub fn check_embedded(&self, point: &[f64]) -> Option<String> {
        self.0.check_embedded(point)
    }
    #[inline(always)]
    pub fn embed<R: WidePack>(&self, intrinsic: &[R], embedded: &mut [R], log_det: &mut R) {
        R::pick(self.0).embed(intrinsic, embedded, log_det)
    }
    #[inline(always)]
    pub fn embed_vjp<R: WidePack>(&self, intrinsic: &[R], cot_embedded: &[R], cot_log_det: R, cot_intrinsic: &mut [R]) {
        R::pick(self.0).embed_vjp(intrinsic, cot_embedded, cot_log_det, cot_intrinsic)
    }
    #[inline(always)]
    pub fn intrinsic<R: WidePack>(&self, embedded: &[R], intrinsic: &mut [R], log_det: &mut R) {
        R::pick(self.0).intrinsic(embedded, intrinsic, log_det)
    }
    #[inline(always)]
    pub fn intrinsic_vjp<R: WidePack>(
        &self,
        embedded: &[R],
        cot_intrinsic: &[R],
        cot_log_det: R,
        cot_embedded: &mut [R],
    ) {
        R::pick(self.0).intrinsic_vjp(embedded, cot_intrinsic, cot_log_det, cot_embedded)
    }
    #[inline(always)]
    pub fn project<R: WidePack>(&self, given: &[R], embedded: &mut [R]) {
        R::pick(self.0).project(given, embedded)
    }
    #[inline(always)]
    pub fn project_vjp<R: WidePack>(&self, given: &[R], cot_embedded: &[R], cot_given: &mut [R]) {
        R::pick(self.0).project_vjp(given, cot_embedded, cot_given)
    }
    #[inline(always)]
    pub fn to_base<R: WidePack>(&self, target: &[R], base: &mut [R]) {
        R::pick(self.0).to_base(target, base)
    }
    #[inline(always)]
    pub fn to_base_vjp<R: WidePack>(&self, target: &[R], cot_base: &[R], cot_target: &mut [R]) {
        R::pick(self.0).to_base_vjp(target, cot_base, cot_target)
    }
    #[inline(always)]
    pub fn from_base<R: WidePack>(&self, base: &[R], target: &mut [R]) {
        R::pick(self.0).from_base(base, target)
    }
    #[inline(always)]
    pub fn log_reference<R: WidePack>(&self, target: &[R]) -> R {
        R::pick(self.0).log_reference(target)
    }
    #[inline(always)]
    pub fn log_reference_vjp<R: WidePack>(&self, target: &[R], cot: R, cot_target: &mut [R]) {
        R::pick(self.0).log_reference_vjp(target, cot, cot_target)
    }
}
