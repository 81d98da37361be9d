use flow_runtime::flow;

fn main() {}

flow! {
    #derive(Clone) pub struct Event = e3 : gggg
}
