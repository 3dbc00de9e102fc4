using System.CommandLine;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Evaluation;
using AiFabric.Pretraining.Export;

namespace AiFabric.Pretraining;

/// <summary>The commands that write, measure and try a trained model.</summary>
internal static class ModelCommands
{
    private static readonly Option<string> ModelOption = new("--model") { DefaultValueFactory = _ => "runtime/models/aifabric-demo-5m", Description = "The Hugging Face folder." };

    public static Command Export()
    {
        var run = new Option<string>("--run") { DefaultValueFactory = _ => "artifacts/training" };
        var command = new Command("export", "Writes the last checkpoint as a Hugging Face folder.") { ModelOption, run };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            ModelFolder.Write(parsed.GetValue(ModelOption) ?? "", parsed.GetValue(run) ?? "", Commands.DemoConfig);
        });
        return command;
    }

    public static Command Evaluate()
    {
        var corpus = new Option<string>("--corpus") { DefaultValueFactory = _ => "artifacts/corpus" };
        var command = new Command("evaluate", "Prints the held-out text's bits per byte as a Markdown table.") { ModelOption, corpus };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            TorchRuntime.EnsureLoaded();
            string folder = parsed.GetValue(ModelOption) ?? "";
            using var parameters = ModelFolder.Read(folder);
            Console.WriteLine(await HeldOutReport.MeasureAsync(parameters, HuggingFaceTokenizer.Load(folder), parsed.GetValue(corpus) ?? "", cancellationToken));
        });
        return command;
    }

    public static Command Sample()
    {
        var prompt = new Argument<string>("prompt");
        var tokens = new Option<int>("--tokens") { DefaultValueFactory = _ => 120 };
        var temperature = new Option<double>("--temperature") { DefaultValueFactory = _ => 0.7 };
        var topP = new Option<double>("--top-p") { DefaultValueFactory = _ => 0.9 };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1 };
        var command = new Command("sample", "Continues a text.") { prompt, ModelOption, tokens, temperature, topP, seed };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            string folder = parsed.GetValue(ModelOption) ?? "", text = parsed.GetValue(prompt) ?? "";
            using var parameters = ModelFolder.Read(folder);
            var sampler = new Sampler(parameters, HuggingFaceTokenizer.Load(folder));
            Console.WriteLine(text + sampler.Continue(text, parsed.GetValue(tokens), parsed.GetValue(temperature), parsed.GetValue(topP), parsed.GetValue(seed)));
        });
        return command;
    }
}
