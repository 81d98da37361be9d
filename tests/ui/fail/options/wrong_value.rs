use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : ggg(num_kde = 0));

type P2 = flow!(e3 : ggg(num_kde = 2.5));

type P3 = flow!(e3 : ggg(num_kde = "20"));

type P4 = flow!(e3 : ggg(num_kde = many));

type P5 = flow!(e3 : g(lower_bound_for_widths = -0.5));

type P6 = flow!(e3 : x(add_offset = 2));

type P7 = flow!(e3 : t(cov_type = "ful"));

type P8 = flow!(s2 : f(boundary_cos_theta_identity_region = 1, add_vertical_rq_spline_flow = 1));

type P9 = flow!(s2 : f(circular_add_rotation = 1));

type P10 = flow!(s3 : n(zenith_type_layers = "rg"));

type P11 = flow!(s2 : n(hidden_dims = "64 32"));
