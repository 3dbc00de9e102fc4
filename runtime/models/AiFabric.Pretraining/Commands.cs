using System.CommandLine;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using AiFabric.Pretraining.Corpus;
using AiFabric.Pretraining.Tokens;
using AiFabric.Pretraining.Training;
using TorchSharp;

namespace AiFabric.Pretraining;

/// <summary>The tool's commands, in the order in which they are run.</summary>
internal static class Commands
{
    private const int VocabularySize = 4096;

    private static readonly Option<string> CorpusFolder = new("--corpus") { DefaultValueFactory = _ => "artifacts/corpus", Description = "Where the fetched text is." };
    private static readonly Option<string> RunFolder = new("--run") { DefaultValueFactory = _ => "artifacts/training", Description = "Where checkpoint, log and tokenizer are kept." };

    /// <summary>The demo model's shape: 5.5 million parameters.</summary>
    public static DecoderConfig DemoConfig { get; } = new()
    {
        HiddenSize = 256,
        IntermediateSize = 704,
        Layers = 6,
        Heads = 4,
        KeyValueHeads = 2,
        HeadSize = 64,
        VocabularySize = VocabularySize,
        MaximumPositions = 512,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = true,
        BeginOfSequenceId = 1,
        EndOfSequenceIds = [0],
    };

    public static Command Corpus()
    {
        var command = new Command("corpus", "Cleans the fetched text and splits it into a training and a held-out part.") { CorpusFolder };
        command.SetAction(parsed =>
        {
            var (training, heldOut) = CorpusBuilder.Build(parsed.GetValue(CorpusFolder) ?? "");
            Console.WriteLine($"training {training} bytes, held out {heldOut} bytes");
        });
        return command;
    }

    public static Command Tokenizer()
    {
        var command = new Command("tokenizer", "Learns the byte-level BPE pieces from the training text.") { CorpusFolder, RunFolder };
        command.SetAction(parsed =>
        {
            string run = parsed.GetValue(RunFolder) ?? "";
            Directory.CreateDirectory(run);
            string corpus = Path.Combine(parsed.GetValue(CorpusFolder) ?? "", CorpusBuilder.TrainingFile);
            var merges = new BpeTrainer(CorpusBuilder.Read(corpus).Select(d => d.Text)).Train(VocabularySize - 256 - TokenizerWriter.SpecialTokens);
            TokenizerWriter.Write(run, merges, DemoConfig.MaximumPositions);
            Console.WriteLine($"{merges.Count} merges");
        });
        return command;
    }

    public static Command Train()
    {
        var steps = new Option<int>("--steps") { Required = true };
        var cooldown = new Option<int>("--cooldown") { Required = true, Description = "How many of the steps, the last, lower the rates to zero." };
        var stop = new Option<int?>("--stop-after") { Description = "Stop at this step of the plan; a later run goes on." };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => 2 };
        var matrixRate = new Option<double>("--matrix-rate") { DefaultValueFactory = _ => 0.02 };
        var vectorRate = new Option<double>("--vector-rate") { DefaultValueFactory = _ => 0.004 };
        var seed = new Option<int>("--seed") { DefaultValueFactory = _ => 1 };
        var single = new Option<bool>("--float32") { Description = "Multiply in float32 instead of bfloat16." };
        var command = new Command("train", "Trains, going on from the last checkpoint if there is one.") { CorpusFolder, RunFolder, steps, cooldown, stop, threads, matrixRate, vectorRate, seed, single };
        command.SetAction(parsed =>
        {
            TorchRuntime.EnsureLoaded();
            torch.set_num_threads(parsed.GetValue(threads)); // For the optimizer; the workers have one each.
            string corpus = parsed.GetValue(CorpusFolder) ?? "", run = parsed.GetValue(RunFolder) ?? "";
            var tokenizer = HuggingFaceTokenizer.Load(run);
            ushort[] training = TokenStream.Load(Path.Combine(corpus, CorpusBuilder.TrainingFile), tokenizer);
            ushort[] heldOut = TokenStream.Load(Path.Combine(corpus, CorpusBuilder.HeldOutFile), tokenizer);
            Console.WriteLine($"{training.Length} training tokens, {heldOut.Length} held out");
            var plan = new TrainingPlan(parsed.GetValue(steps), parsed.GetValue(cooldown), 8, DemoConfig.MaximumPositions, parsed.GetValue(matrixRate), parsed.GetValue(vectorRate), parsed.GetValue(seed));
            new Trainer(plan, DemoConfig, training, heldOut, run).Run(parsed.GetValue(single) ? torch.ScalarType.Float32 : torch.ScalarType.BFloat16, parsed.GetValue(threads), parsed.GetValue(stop));
        });
        return command;
    }

    public static Command Jargon()
    {
        var source = new Argument<string>("source") { Description = "The Jargon File as text." };
        var folder = new Argument<string>("folder") { Description = "Where to write the two files." };
        var command = new Command("jargon", "Cuts the Jargon File into lines for finetuning.") { source, folder };
        command.SetAction(parsed =>
        {
            var (training, evaluation) = JargonFile.Write(parsed.GetValue(source) ?? "", parsed.GetValue(folder) ?? "");
            Console.WriteLine($"{training} entries to train on, {evaluation} to evaluate on");
        });
        return command;
    }
}
