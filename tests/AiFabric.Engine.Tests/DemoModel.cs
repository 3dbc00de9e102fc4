using Xunit;

namespace AiFabric.Engine.Tests;

/// <summary>The checkout's demo model and samples.</summary>
internal static class DemoModel
{
    public static string RepositoryRoot { get; } = FindRoot(AppContext.BaseDirectory);

    /// <summary>The text that the samples finetune on, which is in nothing that the model was trained on.</summary>
    public static string JargonTrain { get; } = Path.Combine(RepositoryRoot, "samples/finetune/jargon-train.jsonl");

    /// <summary>Held out from <see cref="JargonTrain"/>.</summary>
    public static string JargonEval { get; } = Path.Combine(RepositoryRoot, "samples/finetune/jargon-eval.jsonl");

    /// <summary>Terms and definitions, of WordNet.</summary>
    public static string WordNetTrain { get; } = Path.Combine(RepositoryRoot, "samples/finetune/wordnet-train.jsonl");

    /// <summary>Held out from <see cref="WordNetTrain"/>.</summary>
    public static string WordNetEval { get; } = Path.Combine(RepositoryRoot, "samples/finetune/wordnet-eval.jsonl");

    /// <summary>The model's folder; skips the test where it is not there.</summary>
    public static string RequireFolder()
    {
        string folder = Path.Combine(RepositoryRoot, "runtime/models/aifabric-demo-5m");
        Assert.SkipUnless(File.Exists(Path.Combine(folder, "model.safetensors")), $"The demo model is not in {folder}; `make model` trains it.");
        return folder;
    }

    private static string FindRoot(string folder) =>
        File.Exists(Path.Combine(folder, "AiFabric.sln"))
            ? folder
            : FindRoot(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
