use flow_runtime::flow;

fn main() {}

flow! {
    pub struct fn = e3 : gggg
}
