use flow_runtime::flow;

fn main() {}

type P1 = flow!(e3 : ggg(num_kdes = 20));

type P2 = flow!(e3 : g(cov_type = "full"));

type P3 = flow!(e3 : x(banana = 20));

type P4 = flow!(e3 : g(Num_KDE = 20));

type P5 = flow!(i1 : z(num_kde = 20));
