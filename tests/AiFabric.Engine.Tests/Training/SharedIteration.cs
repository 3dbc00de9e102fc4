using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Training;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>The engine's own pass, in which a training window rides beside decode rows and a prompt chunk of requests with adapters of every kind.</summary>
internal sealed class SharedIteration : IDisposable
{
    private const int BlockSize = 4;
    private readonly PeftAdapter[] served;
    private readonly TorchPass pass;
    private readonly Batch batch = new();

    public SharedIteration(RandomModel model, DecoderWeights weights)
    {
        served = [.. ((string[])["LoRA", "DoRA", "IA3"]).Select((name, i) => Build(name, i))];
        pass = new TorchPass(weights, 64, BlockSize, load => served[load - 1]);
        var pool = new BlockPool(64);
        for (int i = 0; i < 4; i++)
            batch.DecodeRows.Add(Rows(pool, model.Prompt(6 + i, i), 5 + i, 1, i));
        batch.PromptChunks.Add(Rows(pool, model.Prompt(9, 8), 0, 9, 2));

        PeftAdapter Build(string name, int seed)
        {
            using var values = RandomAdapter.Values(RandomAdapter.Methods[name], weights.Config, seed, weights.Type);
            return values.Build(name, weights);
        }
    }

    /// <summary>As <see cref="WindowForward.Run"/>.</summary>
    public Tensor Run(TrainingWindow window)
    {
        Assert.Equal(5 * 300, pass.Run(batch, window).Length);
        return pass.WindowOutput(window);
    }

    public void Dispose()
    {
        pass.Dispose();
        foreach (var adapter in served)
            adapter.Dispose();
    }

    private static BatchRows Rows(BlockPool pool, int[] tokens, int start, int count, int adapter)
    {
        var request = new GenerationRequest { PromptTokens = tokens, MaxTokens = 1 };
        var sequence = new Sequence(new SequenceId(1), request, 1, seed: 0, adapter, BlockSize);
        Assert.True(sequence.Blocks.TryGrow(pool, tokens.Length));
        return new BatchRows(sequence, start, count, Samples: true);
    }
}
