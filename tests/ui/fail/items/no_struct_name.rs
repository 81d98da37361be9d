use flow_runtime::flow;

fn main() {}

flow! {
    pub struct = e3 : gggg
}
