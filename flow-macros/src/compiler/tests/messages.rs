//! What is said about wrong notations: one message for each mistake, and no others.

use super::{compiled, says};

#[test]
fn messages_about_the_whole() {
    says("", &["nothing is written here"]);
    says("\"e3 + s2 : g + n\"", &["without quotes: `flow!(e3 + s2 : g + n)`"]);
    says("\"e3\", \"g\"", &["without quotes: `flow!(e3 : g)`"]);
    says("e3", &["`e3` has no `:`"]);
    says("e3 : g : g", &["a second `:`"]);
    says("e3 : g | cond 3 | rank 3", &["a second `|`"]);
    says("< e3 : g", &["the `<` has no `>`"]);
    says("e3 : g >", &["unexpected `>`"]);
    says("e3 : g, cond 3", &["write `|` before the first clause"]);
    says("e3 : g cond 3", &["write `|` before the first clause"]);
    says("e3, s2 : g, n", &["manifolds are joined by `+`", "chains are joined by `+`"]);
    says("2e5 : 128", &["unexpected `2e5`", "unexpected `128`"]);
}

#[test]
fn messages_about_manifolds() {
    says("e0 : g", &["the dimension of `e` goes from 1 to 512"]);
    says("e513 : g", &["goes from 1 to 512"]);
    says("e99999999999999999999999 : g", &["goes from 1 to 512"]);
    says("e03 : g", &["write `e3`"]);
    says("s0 : n", &["goes from 1 to 9"]);
    says("s10 : n", &["goes from 1 to 9"]);
    says("s3[0, 1] : n", &["`s3` takes no bounds"]);
    says("E3 : g", &["did you mean `e3`?"]);
    says("q : g", &["`q` is not a manifold of this version: there are `e1`, `e2`, .. (a Euclidean space), `s1`"]);
    says("e : g", &["`e` lacks its dimension"]);
    says("i1[1, -1] : rr", &["the bounds `[1, -1]` are the wrong way round"]);
    says("i1[2.5, 2.5] : rr", &["the bounds `[2.5, 2.5]` are the wrong way round or leave nothing between them"]);
    says("i1[-1e300, 1e300] : rr", &["the bounds `[-1e300, 1e300]` are too large"]);
    says("i1[1] : rr", &["two numbers"]);
    says("i2 : rr", &["the dimension of `i` is 1"]);
    says("a10 : w", &["the dimension of `a` goes from 1 to 9"]);
    says("a2[0, 1] : w", &["`a2` takes no bounds"]);
    says("i1_-3_3 : rr", &["`i1_-3_3` is written `i1[-3, 3]` here"]);
    says("i1_0_1 : rr", &["`i1_0_1` is written `i1[0, 1]` here"]);
    says("e2[0, 1] : g", &["`e2` takes no bounds"]);
    says("e3 + : g + n", &["a manifold is missing beside this `+`"]);
    says(": g", &["a manifold is missing beside this `:`"]);
    says("vertex@ : g", &["a manifold is missing beside this `@`"]);
    says("a@e3 + a@e2 : g + g", &["two manifolds are named `a`"]);
    says("EventVertex@e3 : g", &["`EventVertex` cannot name a manifold"]);
    says("fn@e3 + _@e2 : g + g", &["`fn` cannot name", "`_` cannot name"]);
}

#[test]
fn messages_about_chains() {
    says("e3 + s2 : g", &["the manifold `s2` has no chain of layers, there is 1 chain after the `:`"]);
    says("e3 : g + fn", &["the chain `fn` has no manifold, there is 1 manifold before the `:`"]);
    says("e3 + s2 : g +", &["a chain of layers is missing beside this `+`"]);
    says("e3 : b", &["`b` is not a layer letter: on `e3` there are `c`, `g`, `t`, `x`"]);
    says("e3 : G", &["did you mean `g`?"]);
    says("e3 : B", &["on `e3` there are `c`, `g`, `t`, `x`"]);
    says("e3 : ggq", &["`q` in `ggq` is not a layer letter"]);
    says("s2 : g", &["`g` acts on `e1`, `e2`, .., but `s2` is the two-sphere: use `f`, `c`, `n`, `v`, `y`"]);
    says("e3 : ggz", &["`z` acts on `i1`, but `e3` is a Euclidean space: use `x`, `t`, `g`"]);
    says("i1[-1, 1] : gg", &["`g` acts on `e1`, `e2`, .., but `i1` is an interval: use `r`, `z`"]);
    says("a2 : r", &["`r` acts on `i1`, but `a2` is a simplex: use `u`, `w`"]);
    says("s1 : f", &["`f` acts on `s2`, but `s1` is the circle: use `c`, `m`, `o`, `y`"]);
    says("s1 : n", &["`n` acts on `s2`, `s3`, `s4`, .., but `s1` is the circle: use `m`, `o`, `y`, `c`"]);
    says("s3 : f", &["`f` acts on `s2`, but `s3` is a higher sphere: use `c`, `n`, `y`"]);
    says("s9 : g", &["but `s9` is a higher sphere: use `c`, `n`, `y`"]);
    says("e3 : (num_kde = 3) g", &["follow no word"]);
    says("e3 : [A](num_kde = 3)", &["goes into its type"]);
    says("e3 : []", &["`[]` is not a layer"]);
    says("e3 : [3 4]", &["`[3 4]` is not a layer"]);
    says("e3 : g{}", &["braces have no meaning"]);
    says(&format!("e3 : {}", "g".repeat(65)), &["65 layers in one chain: write at most 64"]);
    assert!(compiled(&format!("e3 : {}", "g".repeat(64))).is_ok());
}

#[test]
fn messages_about_options() {
    says("e3 : ggg(num_kdes = 20)", &["`ggg` has no option `num_kdes`: did you mean `num_kde`?"]);
    says("e3 : g(cov_type = \"full\")", &["it is an option of `t`"]);
    says("e3 : x(banana = 20)", &["`x` has no option `banana`: there are `add_offset`"]);
    says("e3 : ggg(num_kde = 0)", &["takes a whole number from 1 to 4096 (default 10)"]);
    says("e3 : g(num_kde = 2e5)", &["`num_kde = 2e5` does not fit"]);
    says("e3 : g(num_kde = \"20\")", &["`num_kde = \"20\"` does not fit"]);
    says("e3 : g(num_kde = -99999999999999999999999)", &["does not fit"]);
    says("e3 : g(num_kde = 20u8)", &["numbers are written without a type, `20`"]);
    says("e3 : g(lower_bound_for_widths = 1e999)", &["too large"]);
    says("e3 : g(lower_bound_for_widths = -0.5)", &["takes a number above 0"]);
    says("e3 : g(upper_bound_for_widths = -2)", &["takes a number above 0, or -1"]);
    says("e3 : g(num_kde = 1, num_kde = 2)", &["`num_kde` is written twice"]);
    says("e3 : g(num_kde)", &["the value of `num_kde` is missing"]);
    says("e3 : g(num_kde =)", &["the value of `num_kde` is missing"]);
    says("e3 : g()", &["the parentheses after `g` are empty"]);
    says("e3 : g(num_kde = 3; clamp_widths = 1)", &["unexpected `;`"]);
    says("i1 : z(banana = 1)", &["`z` has no option `banana`: it has none"]);
    says("i1 : z()", &["the parentheses after `z` are empty: leave them out"]);
    says("i1 : z | z", &["`z` has no options"]);
    says("e3 : t(cov_type = full)", &["write it in quotes, `cov_type = \"full\"`"]);
    says("e3 : t(cov_type = 'f')", &["`'f'` is not a value"]);
    says("e3 : t(cov_type = \"ful\")", &["did you mean \"full\"?"]);
    says("e3 : x(add_offset = 2)", &["takes 0 or 1"]);
    says("s2 : n(max_rank = 0, highway_mode = 5)", &["from 1 to 4096, or -1", "from 0 to 4"]);
    says("s3 : n(zenith_type_layers = \"rg\")", &["letters `r` or `g` or `x` or `z`, always the same"]);
    says("s2 : n(hidden_dims = \"64 32\")", &["such as \"64-32\""]);
    says("s2 : c(num_charts = 4)", &["`c` has no option `num_charts`"]);
    says("e2 : c(solver = \"rk45\")", &["did you mean \"rk4\"?"]);
    says("e2 : c(rtol = 0)", &["takes a number above 0"]);
    says("a2 : c", &["`c` acts on `e1`, `e2`, .., `s1`, `s2`, `s3`, `s4`, .., but `a2` is a simplex: use `u`, `w`"]);
    says("s2 : f(circular_add_rotation = 1)", &["takes 0, the only value"]);
    says("s2 : f(boundary_cos_theta_identity_region = 1)", &["from 0 to below 1"]);
}

#[test]
fn messages_about_rules_between_options() {
    says("e3 : ggg(upper_bound_for_widths = -1)", &["does not go with `width_smooth_saturation = 1` in `g`"]);
    says(
        "e3 : g t g | t(lower_bound_for_widths = 200)",
        &["`upper_bound_for_widths = 100` does not go with `lower_bound_for_widths = 200` in `t`"],
    );
    says("e3 : g(lower_bound_for_norms = 20)", &["`upper_bound_for_norms = 10` does not go with"]);
    says("s2 : f(spline_num_basis_functions = -1)", &["there are no splines in z"]);
    says("s2 : f(add_vertical_rq_spline_flow = 1, spline_num_basis_functions = -1)", &["write `vertical_smooth = 1`"]);
    says(
        "s2 : f(add_vertical_rq_spline_flow = 1, vertical_smooth = 1)",
        &["smooth splines are built for 2 and 3 bins"],
    );
    says("s2 : f(vertical_also_fix_second_width_to_zero = 1)", &["there are no splines: write"]);
    says(
        "s2 : f(add_circular_rq_spline_flow = 1, vertical_also_fix_second_width_to_zero = 1)",
        &["the second follows the first"],
    );
    let vertical = "s2 : f(add_vertical_rq_spline_flow = 1, ";
    let fixed = "vertical_fix_first_width_n_height_to_zero = 1, vertical_also_fix_second_width_to_zero = 1";
    says(&format!("{vertical} {fixed}, spline_num_basis_functions = 1)"), &["one bin has no second width"]);
    says(
        &format!("{vertical} vertical_restrict_max_min_width_height_ratio = 4)"),
        &["must exceed the number of bins less one"],
    );
    assert!(compiled(&format!("{vertical} vertical_restrict_max_min_width_height_ratio = 4.1)")).is_ok());
    says(
        "e2 : c(solver = \"rk4\", rtol = 1e-5)",
        &["`rtol = 1e-5` does not go with `solver = \"rk4\"` in `c`: rk4 has no error control: give `steps`"],
    );
    says("s2 : c(steps = 8)", &["dopri5 chooses its steps: give `rtol` and `atol`, or write `solver = \"rk4\"`"]);
    says("s1 : c(checkpoints = 2)", &["discrete derivatives keep every step"]);
    says("s2 : c(probes = 1)", &["the exact divergence has no probes"]);
    assert!(compiled("s2 : c(solver = \"rk4\", steps = 8, gradients = \"adjoint\", checkpoints = 2)").is_ok());
    for kappa in ["mu", "mu_squared"] {
        says(&format!("s2 : f(kappa_prediction = {kappa:?})"), &["write `rotation_mode = \"xyz\"`"]);
        let with = |more: &str| format!("s2 : f(kappa_prediction = {kappa:?}, rotation_mode = \"xyz\"{more})");
        assert!(compiled(&with("")).is_ok());
        says(&with(", add_rotation = 0"), &["leave `add_rotation` out"]);
        says(&with(", min_kappa = 1.0"), &["no lower bound but 0"]);
        says(&with(", kappa_clamping = 1"), &["leave `kappa_clamping` out"]);
    }
    for kappa in ["quatvec", "quatvec_squared"] {
        let with = |mode: &str| format!("s2 : f(kappa_prediction = {kappa:?}, rotation_mode = {mode:?})");
        says(&with("xyz"), &["write `rotation_mode = \"quaternion\"`"]);
        assert!(compiled(&with("quaternion")).is_ok());
    }
    says("s2 : f(kappa_prediction = \"log_bounded\", kappa_clamping = 1)", &["leave `kappa_clamping` out"]);
    assert!(compiled("s2 : f(kappa_prediction = \"softplus_real_bounded\", kappa_clamping = 1)").is_ok());
    let correlated = "s2 : f(add_correlated_rq_spline_flow = 1, ";
    says(&format!("{correlated} add_vertical_rq_spline_flow = 1)"), &["correlated, or of z alone"]);
    says(&format!("{correlated} add_circular_rq_spline_flow = 1)"), &["correlated, or of the azimuth alone"]);
    says(&format!("{correlated} vertical_fix_boundary_derivative = 0)"), &["five bins in z"]);
    says(&format!("{correlated} spline_num_basis_functions = 8)"), &["leave it out"]);
    assert!(compiled(&format!("{correlated} correlated_max_rank = 0, vertical_flow_defs = \"rzr\")")).is_ok());
    says("i1 : r(smooth_second_derivative = 1)", &["write `num_basis_functions = 2` or 3"]);
    says("i1 : r(fix_boundary_derivatives = 1e-5)", &["a fixed slope must exceed the smallest one"]);
    says("i1 : r(restrict_max_min_width_height_ratio = 4)", &["must exceed the number of bins less one"]);
    says("i1 : r(also_fix_second_width_to_zero = 1)", &["the second follows the first"]);
    says(
        "i1 : r(num_basis_functions = 10, min_width = 0.1)",
        &["`min_width = 0.1` does not go with `num_basis_functions = 10` in `r`"],
    );
    says("i1 : r(min_height = 0.2)", &["leave something free of the interval"]);
    let first = "fix_first_width_n_height_to_zero = 1, num_basis_functions = 1";
    says(&format!("i1 : r({first}, also_fix_second_width_to_zero = 1)"), &["one bin has no second width"]);
    says(&format!("i1 : r({first}, fix_boundary_derivatives = 1)"), &["no parameter left"]);
    says("s1 : o(num_basis_functions = 5)", &["write `smooth_second_derivative = 0` for any other number"]);
    says("s1 : o(fix_boundary_derivatives = 1)", &["the slopes of a smooth spline follow from its bins"]);
    says("s1 : o(min_derivative = 0.1)", &["the slopes of a smooth spline follow from its bins"]);
    says("s1 : o(also_fix_second_width_to_zero = 1)", &["write `fix_first_width_n_height_to_zero = 1` too"]);
    says("s1 : o(min_width = 0.6)", &["leave something free of the circle"]);
    says(
        "s1 : o(smooth_second_derivative = 0, fix_boundary_derivatives = 0.1, min_derivative = 0.2)",
        &["a fixed slope must exceed the smallest one"],
    );
    let one = "smooth_second_derivative = 0, num_basis_functions = 1, fix_boundary_derivatives = 1, \
        fix_first_width_n_height_to_zero = 1";
    says(&format!("s1 : o({one}, add_rotation = 0)"), &["has no parameter left"]);
    assert!(compiled(&format!("s1 : o({one})")).is_ok());
    assert!(compiled("s1 : o(smooth_second_derivative = 0, num_basis_functions = 5)").is_ok());
    assert!(compiled("i1 : r(smooth_second_derivative = 1, num_basis_functions = 3)").is_ok());
    says("e3 : g(center_mean = 1, num_kde = 1)", &["`num_kde = 1` does not go with `center_mean = 1` in `g`"]);
    says("e3 : g(center_mean = true) | g(num_kde = 1)", &["does not go with `center_mean = true`"]);
    assert!(compiled("e3 : g(center_mean = 1, num_kde = 2)").is_ok());
    let splines = "nonlinear_stretch_type = \"rq_splines\"";
    for of_mixtures in [
        "fit_normalization = 0",
        "regulate_normalization = 0",
        "lower_bound_for_norms = 0.5",
        "upper_bound_for_norms = 20",
        "inverse_function_type = \"inormal\"",
        "replace_first_sigmoid_with_icdf = false",
        "softplus_for_width = 1",
        "clamp_widths = 1",
        "width_smooth_saturation = 0",
        "lower_bound_for_widths = 0.1",
        "upper_bound_for_widths = 1.5",
        "center_mean = 1",
        "add_skewness = 1",
    ] {
        let message = format!("`{of_mixtures}` does not go with `{splines}` in `g`: splines have no mixture");
        says(&format!("e3 : g({splines}, {of_mixtures})"), &[&message]);
        // A default for every g is one for mixtures; a word of splines mends it by writing what the option is without it.
        says(&format!("e3 : g g({splines}) | g({of_mixtures})"), &[&message]);
    }
    assert!(compiled(&format!("e3 : g g({splines}, add_skewness = 0) | g(add_skewness = 1)")).is_ok());
    assert!(compiled(&format!("e3 : g({splines}, num_kde = 999, rotation_mode = \"cayley\")")).is_ok());
    says(&format!("e3 : g({splines}, num_kde = 1000)"), &["write fewer than 1000 bins"]);
    // One clause serves two words, and is wrong once.
    says("e3 : g t g | g(upper_bound_for_widths = -1)", &["a smooth saturation needs a bound"]);
}

/// Options that do nothing beside others are refused, and those that act beside the same others are not.
#[test]
fn options_without_effect() {
    says(
        "s2 : f(vertical_flow_defs = \"rrr\", circular_flow_defs = \"o\")",
        &["no splines in z", "no splines in the azimuth"],
    );
    says("s2 : f(boundary_cos_theta_identity_region = 0.1)", &["there are no splines: write"]);
    says("s2 : f(add_circular_rq_spline_flow = 1, vertical_fix_boundary_derivative = 0)", &["no splines in z"]);
    says("s2 : f(correlated_max_rank = 5)", &["there are no correlated splines"]);
    says("s2 : f(add_rotation = 0, num_householder_iter = 2)", &["there is no rotation"]);
    says(
        "s2 : f(rotation_mode = \"angles\", num_householder_iter = 2)",
        &["only \"householder\" is made of reflections"],
    );
    says("s2 : n(add_rotation = 0, rotation_mode = \"angles\")", &["there is no rotation"]);
    says(
        "e3 : g(fit_normalization = 0, upper_bound_for_norms = 20)",
        &["components of equal weight have none to bound"],
    );
    says("e3 : g(regulate_normalization = 0, lower_bound_for_norms = 0.5)", &["free weights have no bounds"]);
    says("e3 : g(rotation_mode = \"none\", num_householder_iter = 2)", &["only \"householder\""]);
    says("e3 : t(cov_type = \"identity\", upper_bound_for_widths = 3.0)", &["the identity has no widths"]);
    for right in [
        "s2 : f(add_circular_rq_spline_flow = 1, boundary_cos_theta_identity_region = 0.1)",
        "s2 : f(add_circular_rq_spline_flow = 1, vertical_independent_width_height_parametrization = 1)",
        "s2 : f(add_extra_rotation_inbetween = 1)",
        "s2 : f(add_rotation = 0, rotation_mode = \"householder\", num_householder_iter = -1)",
        "s2 : f(vertical_smooth = 0, vertical_flow_defs = \"rr\")",
        "e3 : g(fit_normalization = 0, regulate_normalization = 1)",
        "e3 : t(cov_type = \"identity\", skip_model_offset = 1)",
    ] {
        assert!(compiled(right).is_ok(), "{right}");
    }
}

#[test]
fn messages_about_clauses() {
    says("e3 : g | cond 0", &["leave the clause out"]);
    says("e3 : g | cond", &["the number of given features is missing"]);
    says("e3 : g | cond -3", &["`-3` does not fit"]);
    says("e3 : g | cond 3.0", &["is a whole number from 1 to"]);
    says("e3 : g | cond 9999999999999999999999", &["is a whole number from 1 to"]);
    says("e3 : g | cond (3, 4)", &["the list after `cond` has 2 entries, but there is 1 manifold"]);
    says("e3 + e1 : g + g | cond (3, 0)", &["every manifold of a list"]);
    says("e3 : g | cond 3, cond 4", &["the clause `cond` is written twice"]);
    says("e3 : g | cond 3 hidden 128", &["unexpected `hidden`: clauses are separated by `,`"]);
    says("e3 : g | cond 3, hidden 128-", &["missing beside this `-`"]);
    says("e3 : g | cond 3, hidden 128-0", &["write a width of at least 1"]);
    says("e3 : g | cond 3, hidden (1, 2)", &["the list after `hidden` has 2 entries"]);
    says("e3 : g | cond 3, hiden 128", &["`hiden` is not a clause: did you mean `hidden`?"]);
    says("e3 : g | cond 3, rank 0", &["leave the clause out for full matrices"]);
    says("e3 : g | hidden 3, rank 3", &["`hidden` is about networks", "`rank` is about networks"]);
    says("e3 : g |", &["a clause is missing beside this `|`"]);
    says("e3 : g | cond 3,, rank 2", &["a clause is missing beside this `,`"]);
    says("e3 : g | g", &["the options of `g` are missing"]);
    says("e3 : g | t(cov_type = \"full\")", &["which no chain has"]);
    says("e3 : g | q(cov_type = \"full\")", &["`q` is not a layer letter"]);
    says("e3 : gt | gt(clamp_widths = 1)", &["one clause for each letter"]);
    says("e3 : g | g(cov_type = 3)", &["`g` has no option `cov_type`: it is an option of `t`"]);
}

#[test]
fn messages_about_named_flows() {
    says("type Name = e3 : g", &["`type` cannot be declared here: write `struct`"]);
    says("pub enum Name { e3 : g }", &["`enum` cannot be declared here"]);
    says("pub struct = e3 : g", &["the name of the struct is missing"]);
    says("pub struct Name", &["`=` and the notation are missing"]);
    says("pub struct Name =", &["`=` and the notation are missing"]);
    says("pub struct Name = ;", &["`=` and the notation are missing"]);
    says("pub struct Name<T> = e3 : g", &["unexpected `<`: a named flow"]);
    says("/// Documentation.", &["attributes belong to a named flow"]);
    says("#[derive(Clone)] e3 : g", &["`e3` cannot be declared here"]);
    says("e3 : g;", &["unexpected `;`"]);
}

/// A part that could not be read is not reported as missing too.
#[test]
fn no_follow_up_errors() {
    says("e3 x s2 : g + f", &["unexpected `x`"]);
    says("+ e3 : g", &["a manifold is missing beside this `+`"]);
    says("e3 gg | cond 3", &["has no `:`"]);
    says("e3 : g | cond, hidden 3", &["the number of given features is missing"]);
    says("e3 : g | cond three, poisson 64", &["`three` does not fit"]);
    says("e3 : g | features 3, amortize 64", &["`features` is not a clause"]);
    says("e0 : b | cond 3", &["the dimension of `e` goes from 1"]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    says(
        "e3 + s15 + : b + ggg + n(max_rank = 0) | cond 0, hiden 3, rank 2 2",
        &[
            "`hiden` is not a clause",
            "unexpected `2`",
            "a manifold is missing beside this `+`",
            "`s15` is not a manifold",
            "`b` is not a layer letter",
            "`max_rank = 0` does not fit",
            "the number of given features is 0",
        ],
    );
}
