use flow_runtime::flow;

fn main() {}

flow! {
    pub type Event = e3 : gggg
}

flow! {
    pub enum Event { e3 : gggg }
}
