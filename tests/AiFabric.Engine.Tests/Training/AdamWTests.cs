using AiFabric.Engine.Training.Gradients;
using Xunit;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace AiFabric.Engine.Tests.Training;

public sealed class AdamWTests
{
    [Theory]
    [InlineData(0, 1000)]
    [InlineData(0.1, 1000)]
    [InlineData(0.1, 0.5)] // clips in every step
    public void Steps_equal_those_of_libtorch(double decay, double maximumNorm)
    {
        using var folder = new TemporaryFolder();
        var recipe = Recipes.Make(folder) with { LearningRate = 0.01, WeightDecay = decay, MaxGradientNorm = maximumNorm };
        using var scope = NewDisposeScope();
        manual_seed(1);
        Tensor[] start = [randn(4, 3, ScalarType.Float64), randn(5, ScalarType.Float64)];
        Tensor[] values = [.. start.Select(tensor => tensor.clone())];
        Tensor[] gradients = [.. start.Select(tensor => zeros_like(tensor))];
        Parameter[] parameters = [.. start.Select(tensor => new Parameter(tensor.clone()))];
        using var ours = new AdamW(recipe, values, gradients);
        using var theirs = optim.AdamW(parameters, 0.01, weight_decay: decay);
        for (int step = 1; step <= 10; step++)
        {
            for (int i = 0; i < values.Length; i++)
            {
                Tensor gradient = randn_like(gradients[i]);
                gradients[i].copy_(gradient);
                parameters[i].grad = gradient;
            }

            double norm = ours.GradientNorm();
            Assert.Equal(nn.utils.clip_grad_norm_(parameters, maximumNorm), norm, 1e-5);
            ours.Step(step, 0.01, norm);
            theirs.step();
        }

        for (int i = 0; i < values.Length; i++)
        {
            // libtorch divides by the norm plus 1e-6 when it clips
            Assert.InRange((values[i] - parameters[i]).abs().max().item<double>(), 0, maximumNorm < 1 ? 1e-7 : 1e-12);
            Assert.Equal(0, gradients[i].abs().max().item<double>());
        }
    }
}
