using AiFabric.Engine.Interop;
using AiFabric.Engine.Weights;
using AiFabric.Pretraining.Training;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Pretraining;

public sealed class TrainingTests : IDisposable
{
    private static readonly DecoderConfig Tiny = new()
    {
        HiddenSize = 16,
        IntermediateSize = 24,
        Layers = 2,
        Heads = 4,
        KeyValueHeads = 2,
        HeadSize = 4,
        VocabularySize = 40,
        MaximumPositions = 16,
        TieWordEmbeddings = true,
        BeginOfSequenceId = 1,
    };

    private readonly TemporaryFolder folder = new();

    public TrainingTests() => TorchRuntime.EnsureLoaded();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Chunked_loss_has_the_gradients_of_plain_cross_entropy()
    {
        using var scope = NewDisposeScope();
        var parameters = RandomParameters();
        var (ids, targets) = RandomBatch(rows: 3, time: 7);
        double loss = new LlamaForward(parameters, ScalarType.Float32).Backward(ids, targets);
        var gradients = parameters.All.ToDictionary(p => p.Key, p => p.Value.grad!.clone());

        foreach (var parameter in parameters.All.Values)
            parameter.grad!.zero_();
        var logits = new LlamaForward(parameters, ScalarType.Float32).Logits(ids);
        var plain = nn.functional.cross_entropy(logits.reshape(-1, Tiny.VocabularySize), targets.reshape(-1));
        plain.backward();

        Assert.Equal(plain.item<float>(), loss, 1e-5);
        foreach (var (name, parameter) in parameters.All)
            Assert.True(allclose(parameter.grad!, gradients[name], 1e-4, 1e-6), name);
        parameters.Dispose();
    }

    [Fact]
    public void Later_tokens_do_not_change_earlier_logits()
    {
        using var scope = NewDisposeScope();
        using var parameters = RandomParameters();
        var forward = new LlamaForward(parameters, ScalarType.Float32);
        var (ids, _) = RandomBatch(rows: 1, time: 8);
        var other = ids.clone();
        other[0, 7] = (ids[0, 7] + 1) % Tiny.VocabularySize;

        var difference = (forward.Logits(ids) - forward.Logits(other)).abs();

        Assert.Equal(0f, difference[0].narrow(0, 0, 7).max().item<float>());
        Assert.True(difference[0, 7].max().item<float>() > 0);
    }

    [Fact]
    public void Loss_sum_is_the_mean_times_the_count()
    {
        using var scope = NewDisposeScope();
        using var parameters = RandomParameters();
        var forward = new LlamaForward(parameters, ScalarType.Float32);
        var (ids, targets) = RandomBatch(rows: 2, time: 6);

        Assert.Equal(forward.LossSum(ids, targets), forward.Backward(ids, targets) * 12, 1e-3);
    }

    [Fact]
    public void Muon_moves_every_direction_of_a_matrix_alike()
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        var matrix = zeros(12, 5).requires_grad_(true);
        (matrix * randn(12, 5)).sum().backward();
        using var optimizer = new MatrixOptimizer([matrix]);

        optimizer.Step(0.1);

        var (_, sizes, _) = linalg.svd(matrix.detach(), fullMatrices: false);
        double unit = 0.1 * Math.Sqrt(12.0 / 5);
        Assert.All((sizes / unit).data<float>().ToArray(), size => Assert.InRange(size, 0.6f, 1.3f));
        Assert.Equal(0f, matrix.grad!.abs().sum().item<float>());
    }

    [Fact]
    public void Every_pass_takes_each_window_once()
    {
        var plan = new TrainingPlan(Steps: 10, CooldownSteps: 5, Windows: 4, WindowTokens: 8, MatrixRate: 1, VectorRate: 1, Seed: 3);
        const int perPass = 12;
        long[] starts = [.. Enumerable.Range(0, 6).SelectMany(step => plan.WindowStarts(step, ((perPass + 1) * 8) + 1))];

        Assert.Equal(perPass, starts[..perPass].Distinct().Count());
        Assert.Equal(perPass, starts[perPass..].Distinct().Count());
        Assert.Single(starts[..perPass].Select(s => s % 8).Distinct());
        Assert.All(starts, start => Assert.InRange(start, 0, perPass * 8));
    }

    [Fact]
    public void Rate_rises_holds_and_falls_to_nothing()
    {
        var plan = new TrainingPlan(Steps: 1000, CooldownSteps: 500, Windows: 4, WindowTokens: 8, MatrixRate: 1, VectorRate: 1, Seed: 3);

        Assert.Equal(1 / 40.0, plan.RateAt(0));
        Assert.Equal(1, plan.RateAt(300));
        Assert.Equal(0.5, plan.RateAt(750));
        Assert.Equal(1 / 500.0, plan.RateAt(999));
        Assert.Equal(2, plan.RowsPerWindowAt(699));
        Assert.Equal(1, plan.RowsPerWindowAt(700));
    }

    [Fact]
    public void Resumed_run_ends_where_an_unbroken_one_ends()
    {
        ushort[] text = [.. Enumerable.Range(0, 2000).Select(i => (ushort)((i * i) % 37))];
        var plan = new TrainingPlan(Steps: 6, CooldownSteps: 3, Windows: 2, WindowTokens: 16, MatrixRate: 0.02, VectorRate: 0.01, Seed: 5);
        long before = LiveTensors.Settled();

        // One worker: two add their gradients in either order, and what that rounds away the optimizer makes large again.
        var whole = new Trainer(plan, Tiny, text, text, folder.File("whole"));
        whole.Run(ScalarType.Float32, workers: 1, stopAfter: null);
        var broken = new Trainer(plan, Tiny, text, text, folder.File("broken"));
        broken.Run(ScalarType.Float32, workers: 1, stopAfter: 3);
        broken.Run(ScalarType.Float32, workers: 1, stopAfter: null);

        Assert.Equal(before, Tensor.TotalCount);
        using var first = SafetensorsFile.Open(whole.CheckpointPath);
        using var second = SafetensorsFile.Open(broken.CheckpointPath);
        Assert.Equal("6", second.Metadata["step"]);
        foreach (string name in first.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            Assert.True(allclose(first.Read(name), second.Read(name), 1e-4, 1e-6), name);
        }
    }

    private static LlamaParameters RandomParameters()
    {
        var parameters = LlamaParameters.Initialize(Tiny, seed: 11);
        manual_seed(11);
        using var noGradients = no_grad();
        foreach (var parameter in parameters.All.Values)
        {
            using var noise = randn(parameter.shape);
            parameter.add_(noise, alpha: 0.3);
        }
        return parameters;
    }

    private static (Tensor Ids, Tensor Targets) RandomBatch(int rows, int time)
    {
        manual_seed(13);
        return (randint(0, Tiny.VocabularySize, [rows, time], dtype: ScalarType.Int64), randint(0, Tiny.VocabularySize, [rows, time], dtype: ScalarType.Int64));
    }
}
