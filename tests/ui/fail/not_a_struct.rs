use flow_runtime::flow;

flow! {
    pub type Event = e3 : gggg
}

fn main() {}
