package windrow

// SingleCalls leaves out the options before it that single calls refuse, for tests that make single calls and batches with
// the same ones.
var SingleCalls Option = optionFunc(func(o *options) {
	delete(o.given, "Linger")
	if o.batchDelay == 0 {
		o.batchSize = 0
	}
})
