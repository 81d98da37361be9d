//! Manifolds as values: the arithmetic of [`Manifold`](super::Manifold) with its sizes at run time.

use crate::numeric::{Real, WidePack, Work, family};
use core::any::TypeId;

/// Hands the signatures of the arithmetic to another macro, behind what else that macro is given:
/// `arithmetic!({declare})`.
macro_rules! arithmetic {
    ({$($to:tt)*} $($with:tt)*) => {
        $($to)*! {
            [$($with)*]
            fn embed(intrinsic: [&'a [R]], embedded: [&'a mut [R]], log_det: [&'a mut R]) -> ();
            fn embed_vjp(
                intrinsic: [&'a [R]], cot_embedded: [&'a [R]], cot_log_det: [R], cot_intrinsic: [&'a mut [R]]
            ) -> ();
            fn intrinsic(embedded: [&'a [R]], intrinsic: [&'a mut [R]], log_det: [&'a mut R]) -> ();
            fn intrinsic_vjp(
                embedded: [&'a [R]], cot_intrinsic: [&'a [R]], cot_log_det: [R], cot_embedded: [&'a mut [R]]
            ) -> ();
            fn project(given: [&'a [R]], embedded: [&'a mut [R]]) -> ();
            fn project_vjp(given: [&'a [R]], cot_embedded: [&'a [R]], cot_given: [&'a mut [R]]) -> ();
            fn log_reference(target: [&'a [R]]) -> R;
            fn log_reference_vjp(target: [&'a [R]], cot: [R], cot_target: [&'a mut [R]]) -> ();
            fn to_base(target: [&'a [R]], base: [&'a mut [R]]) -> ();
            fn to_base_vjp(target: [&'a [R]], cot_base: [&'a [R]], cot_target: [&'a mut [R]]) -> ();
            fn from_base(base: [&'a [R]], target: [&'a mut [R]]) -> ();
        }
    };
}

/// Methods for every number.
macro_rules! declare {
    ([] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {$(
        #[doc = concat!("[`Manifold::", stringify!($name), "`](super::Manifold::", stringify!($name), ").")]
        fn $name<'a, R: Real>(&'a self, $($arg: $($type)*),*) -> $output;
    )*};
}

/// Functions of a type by the methods of a value.
macro_rules! of_value {
    ([$value:expr] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {$(
        #[inline(always)]
        fn $name<'a, R: Real>($($arg: $($type)*),*) -> $output {
            ManifoldValue::$name(&$value, $($arg),*)
        }
    )*};
}

/// Methods of a value by the functions of the type `M`.
macro_rules! of_type {
    ([] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {$(
        #[inline(always)]
        fn $name<'a, R: Real>(&'a self, $($arg: $($type)*),*) -> $output {
            M::$name($($arg),*)
        }
    )*};
}

/// Implements [`Manifold`](super::Manifold) by a value: `forward!(Type of the value: value, its geometry)`.
macro_rules! forward {
    ($type:ty: $value:expr, $geometry:expr) => {
        const WIDE: bool = <$type as ManifoldValue>::WIDE;
        const UNIFORM: bool = <$type as ManifoldValue>::UNIFORM;
        #[inline]
        fn geometry() -> Geometry {
            $geometry
        }
        fn notation() -> String {
            ManifoldValue::notation(&$value)
        }
        fn check_intrinsic(point: &[f64]) -> Option<String> {
            ManifoldValue::check_intrinsic(&$value, point)
        }
        fn check_embedded(point: &[f64]) -> Option<String> {
            ManifoldValue::check_embedded(&$value, point)
        }
        $crate::manifolds::value::arithmetic!({$crate::manifolds::value::of_value} $value);
    };
}

pub(super) use {arithmetic, forward, of_type, of_value};

/// A manifold as a value. What its functions do is said at those of [`Manifold`](super::Manifold), of the same names.
#[expect(clippy::wrong_self_convention, reason = "names of the static trait, where base and target are places")]
pub trait ManifoldValue: Send + Sync + 'static {
    /// [`Manifold::WIDE`](super::Manifold::WIDE).
    const WIDE: bool = false;
    /// [`Manifold::UNIFORM`](super::Manifold::UNIFORM).
    const UNIFORM: bool = false;
    /// Numbers of intrinsic and of embedded coordinates.
    fn dims(&self) -> [usize; 2];
    /// [`Manifold::notation`](super::Manifold::notation).
    fn notation(&self) -> String;
    /// [`Manifold::check_intrinsic`](super::Manifold::check_intrinsic).
    fn check_intrinsic(&self, point: &[f64]) -> Option<String>;
    /// [`Manifold::check_embedded`](super::Manifold::check_embedded).
    fn check_embedded(&self, point: &[f64]) -> Option<String>;
    arithmetic!({ declare });
}

/// Names the first coordinate that is not a finite number, and says `what` it should be.
#[inline]
pub(super) fn finite(point: &[f64], what: &str) -> Option<String> {
    if point.iter().all(|x| x.is_finite()) {
        return None;
    }
    point.iter().position(|x| !x.is_finite()).map(|i| format!("coordinate {i} is {}: {what}", point[i]))
}

/// An argument as plain arrays.
macro_rules! plain {
    ([&'a [R]] $x:ident) => {
        R::plain($x)
    };
    ([&'a mut [R]] $x:ident) => {
        R::plain_mut($x)
    };
    ([&'a mut R] $x:ident) => {
        &mut R::plain_mut(core::slice::from_mut($x))[0]
    };
    ([R] $x:ident) => {
        $x.to_plain()
    };
}

/// A result of plain arrays.
macro_rules! from_plain {
    (() $result:expr) => {
        $result
    };
    (R $result:expr) => {
        R::from_plain($result)
    };
}

/// Declares two traits of arithmetic on packs: one to be inlined, on registers where the manifold says `WIDE` and on plain
/// arrays elsewhere; and one that objects can have, each function of which is compiled out of line for the pack.
macro_rules! on_packs {
    ([] $(fn $name:ident($($arg:ident: [$($type:tt)*]),*) -> $output:tt;)*) => {
        /// The arithmetic of a manifold on packs `R`, to be inlined into [`Real::run`].
        #[expect(clippy::wrong_self_convention, reason = "names of the static trait, where base and target are places")]
        pub trait Inlined<R: WidePack> {
            $(
                #[doc = concat!("[`Manifold::", stringify!($name), "`](super::Manifold::", stringify!($name), ").")]
                fn $name<'a>(&'a self, $($arg: $($type)*),*) -> $output;
            )*
        }

        impl<R: WidePack, V: ManifoldValue> Inlined<R> for V {
            $(
                #[inline(always)]
                fn $name<'a>(&'a self, $($arg: $($type)*),*) -> $output {
                    if V::WIDE {
                        ManifoldValue::$name(self, $($arg),*)
                    } else {
                        from_plain!($output ManifoldValue::$name(self, $(plain!([$($type)*] $arg)),*))
                    }
                }
            )*
        }

        /// The arithmetic of a manifold on packs `R`.
        #[expect(clippy::wrong_self_convention, reason = "names of the static trait, where base and target are places")]
        pub trait OnPacks<R: WidePack> {
            $(
                #[doc = concat!("[`Manifold::", stringify!($name), "`](super::Manifold::", stringify!($name), ").")]
                fn $name<'a>(&'a self, $($arg: $($type)*),*) -> $output;
            )*
        }

        impl<R: WidePack, V: Inlined<R>> OnPacks<R> for V {
            $(
                #[inline(always)]
                fn $name<'a>(&'a self, $($arg: $($type)*),*) -> $output {
                    struct Apart<'a, R, V> {
                        value: &'a V,
                        $($arg: $($type)*,)*
                    }
                    impl<'a, R: WidePack, V: Inlined<R>> Work for Apart<'a, R, V> {
                        type Output = $output;
                        #[inline(always)]
                        fn run(self) -> $output {
                            let Apart { value, $($arg),* } = self;
                            Inlined::<R>::$name(value, $($arg),*)
                        }
                    }
                    R::run(Apart::<'a, R, V> { value: self, $($arg),* })
                }
            )*
        }
    };
}
arithmetic!({ on_packs });

/// What is known of a manifold beside its arithmetic.
pub trait Described {
    /// The type of the value.
    fn id(&self) -> TypeId;
    /// [`ManifoldValue::dims`].
    fn dims(&self) -> [usize; 2];
    /// [`ManifoldValue::notation`].
    fn notation(&self) -> String;
    /// [`ManifoldValue::UNIFORM`].
    fn is_uniform(&self) -> bool;
    /// [`ManifoldValue::check_intrinsic`].
    fn check_intrinsic(&self, point: &[f64]) -> Option<String>;
    /// [`ManifoldValue::check_embedded`].
    fn check_embedded(&self, point: &[f64]) -> Option<String>;
}

impl<V: ManifoldValue> Described for V {
    fn id(&self) -> TypeId {
        TypeId::of::<V>()
    }
    fn dims(&self) -> [usize; 2] {
        ManifoldValue::dims(self)
    }
    fn notation(&self) -> String {
        ManifoldValue::notation(self)
    }
    fn is_uniform(&self) -> bool {
        V::UNIFORM
    }
    fn check_intrinsic(&self, point: &[f64]) -> Option<String> {
        ManifoldValue::check_intrinsic(self, point)
    }
    fn check_embedded(&self, point: &[f64]) -> Option<String> {
        ManifoldValue::check_embedded(self, point)
    }
}

family! {
    /// A manifold that computes with every kind of pack.
    pub trait AnyManifold: OnPacks + Described + Send + Sync {}
}

impl<V: ManifoldValue> AnyManifold for V {}
