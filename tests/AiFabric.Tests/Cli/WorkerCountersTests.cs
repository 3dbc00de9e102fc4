using AiFabric.Cli.Demo;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class WorkerCountersTests
{
    [Fact]
    public void Counters_are_summed_over_their_labels_and_forward_tokens_alone_count()
    {
        WorkerCounters counters = WorkerCounters.Parse(
            """
            # TYPE vllm:generation_tokens_total counter
            vllm:generation_tokens_total{model_name="a"} 5
            vllm:generation_tokens_total{model_name="b"} 7
            vllm:generation_tokens_total_created 99
            aifabric_engine_finetune_tokens_total{phase="forward"} 100
            aifabric_engine_finetune_tokens_total{phase="backward"} 90
            aifabric_engine_coserved_iterations_total 3
            """);
        Assert.Equal(new WorkerCounters(100, 12, 3), counters);
        Assert.Equal(new WorkerCounters(200, 24, 6), counters + counters);
    }
}
