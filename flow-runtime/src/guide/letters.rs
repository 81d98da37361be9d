#![doc = include_str!("letters.md")]

macro_rules! letters {
    ($($letter:ident $title:literal;)*) => {$(
        #[doc = $title]
        #[doc = ""]
        #[doc = include_str!(concat!("pictures/", stringify!($letter), ".html"))]
        #[doc = ""]
        #[doc = include_str!(concat!("letters/", stringify!($letter), ".md"))]
        pub mod $letter {}
    )*};
}

letters! {
    g "Gaussianisation: a rotation, then a mixture's distribution function in each coordinate. Acts on `e1`, `e2`, ..";
    t "The affine map: a matrix and an offset; alone it is the general Gaussian. Acts on `e1`, `e2`, ..";
    x "The identity of Euclidean space, or an offset. Acts on `e1`, `e2`, ..";
    r "A rational-quadratic spline of an interval. Acts on `i1`";
    z "The identity of an interval. Acts on `i1`";
    m "A mixture of Moebius maps of the circle. Acts on `s1`";
    o "A spline of the circle. Acts on `s1`";
    f "Von Mises-Fisher concentration and a rotation, with splines if wanted. Acts on `s2`";
    v "Points of the sphere moved along the gradient of a potential. Acts on `s2`";
    n "A segmented flow of spheres: the azimuth, then each polar angle given the ones before. Acts on `s2`, `s3`, ..";
    y "A rotation of a circle or sphere, or nothing. Acts on `s1`, `s2`, `s3`, ..";
    c "A continuous flow: the solution of a differential equation. Acts on `e1`, .., `s1`, `s2`, `s3`, ..";
    w "Splines of each share of what is left, given the shares before. Acts on `a1`, `a2`, ..";
    u "Log-ratios of shares by their Gumbel distribution. Acts on `a1`, `a2`, ..";
}
